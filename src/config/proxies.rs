//! Which proxies are believed: `TRUSTED_PROXIES`.
//!
//! Owns one rule: whoever is listed can say of any request that it came from anywhere, so what is listed must be what the
//! operator meant. A network with bits beyond its prefix, or of everybody, is a slip and refused.

use std::net::IpAddr;

use ipnet::IpNet;

use super::source::Parsed;

/// More than anybody lists by hand; a request that came through proxies is compared with each of them for each hop.
const MOST_PROXIES: usize = 100;

/// Addresses and networks between commas; blanks around them do not count.
pub(super) fn proxies(text: &str) -> Parsed<Vec<IpNet>> {
    let networks: Vec<IpNet> = text.split(',').map(|item| network(item.trim_matches(' '))).collect::<Parsed<_>>()?;
    if networks.len() > MOST_PROXIES { Err("more than 100 addresses and networks") } else { Ok(networks) }
}

fn network(text: &str) -> Parsed<IpNet> {
    let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
    let network =
        network.map_err(|_| "not addresses and networks such as 192.0.2.1,10.0.0.0/8,fd00::/8 between commas")?;
    if network.prefix_len() == 0 {
        return Err("a network of everybody: any client could then say that it comes from anywhere");
    }
    if network.addr() != network.network() {
        return Err("a network has no bits beyond its prefix (10.0.0.0/8, not 10.1.2.3/8)");
    }
    match network {
        IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some() => {
            Err("an IPv4 address in the clothes of IPv6; write it as IPv4")
        }
        IpNet::V4(_) | IpNet::V6(_) => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        let parsed = |text| proxies(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(parsed("127.0.0.1"), ["127.0.0.1/32"]);
        assert_eq!(parsed("::1"), ["::1/128"]);
        assert_eq!(parsed("10.0.0.0/8, fd00::/8 ,192.0.2.1"), ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]);
    }

    #[test]
    fn what_is_neither_or_is_everybody_is_refused() {
        let malformed =
            ["", " ", ",", "127.0.0.1,", "127.0.0.1,,::1", "localhost", "*", "10.0.0.0/33", "10.0.0.0/", "/8"];
        let odd =
            ["10.0.0/8", "127.0.0.1:80", "[::1]", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/08x", "10.0.0.0 /8", "::1%lo"];
        let too_much = ["0.0.0.0/0", "::/0", "10.1.2.3/8", "fd00::1/8", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104"];
        for text in malformed.into_iter().chain(odd).chain(too_much) {
            assert!(proxies(text).is_err(), "{text:?}");
        }
        assert!(proxies(&vec!["127.0.0.1"; 101].join(",")).is_err());
    }
}
