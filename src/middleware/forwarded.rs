//! Where a request really came from, behind proxies.
//!
//! Owns one rule: `X-Forwarded-For` is believed as far as `TRUSTED_PROXIES` wrote it and not a hop further. Each proxy adds
//! the address that it was asked from at the end, so the list is walked from its end: while the nearer side is trusted,
//! the next hop is its word. The first that is not trusted is the client; what stands before it, a client may have written.
//!
//! peer + headers -> [`Proxies::origin`] -> `Trail`, once for each request; nothing is allocated without the header

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

use crate::events;
use crate::throttle::{Origin, StandsFor};

/// The proxies that are believed.
#[derive(Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    warned: AtomicBool,
}

impl Proxies {
    /// These, and nobody else.
    pub fn trusting(trusted: &[IpNet]) -> Self {
        Self { trusted: trusted.to_vec(), warned: AtomicBool::new(false) }
    }

    /// Who sent a request that arrived from `peer`.
    pub(super) fn origin(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Origin {
        let Some(peer) = peer.map(|peer| peer.ip().to_canonical()) else {
            return Origin { ip: None, stands_for: StandsFor::Many };
        };
        if !headers.contains_key(X_FORWARDED_FOR) {
            return self.ending_at(peer);
        }
        if self.trusts(peer) {
            return self.ending_at(self.walk(peer, headers));
        }
        // Nobody on the Internet has such an address: this is a proxy that somebody forgot to list, and counted as one
        // address its clients would lock each other out.
        let is_forgotten = is_private(peer);
        if is_forgotten && !self.warned.swap(true, Ordering::Relaxed) {
            events::proxy_not_trusted(peer);
        }
        known(peer, is_forgotten)
    }

    /// The address where the walk ended. A trusted one is a proxy that sent no client's address on, and many may be behind it.
    fn ending_at(&self, ip: IpAddr) -> Origin {
        known(ip, self.trusts(ip))
    }

    fn walk(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        // Several headers are one list in their order (RFC 9110 §5.3); a hop that is no text cannot be read and ends the
        // walk, as one that is no address does.
        let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).map(|line| line.to_str().unwrap_or_default()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut nearest = peer;
        for hop in hops {
            let Some(ip) = address(hop.trim_matches([' ', '\t'])) else { break };
            nearest = ip;
            if !self.trusts(ip) {
                break;
            }
        }
        nearest
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&ip))
    }
}

/// An address that was found; this host's own is that of tools that run here, proxy or not.
fn known(ip: IpAddr, is_proxy: bool) -> Origin {
    let stands_for = if ip.is_loopback() {
        StandsFor::ThisHost
    } else if is_proxy {
        StandsFor::Many
    } else {
        StandsFor::Client
    };
    Origin { ip: Some(ip), stands_for }
}

/// An address as proxies write it: alone, with a port, in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let ip = hop.parse().ok().or_else(|| hop.parse().ok().map(|hop: SocketAddr| hop.ip())).or_else(bare)?;
    Some(ip.to_canonical())
}

/// An address that is not of the Internet: of this host, or of a network of one's own (RFC 1918, 3927, 4193, 4291, 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;
    use crate::throttle::StandsFor::{Client, Many, ThisHost};

    const TRUSTED: &str = "127.0.0.1/32,10.0.0.0/8,fd00::/8,2001:db8:ffff::7/128";

    fn proxies() -> Proxies {
        Proxies::trusting(&TRUSTED.split(',').map(|network| network.parse().unwrap()).collect::<Vec<_>>())
    }

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn origin(proxies: &Proxies, peer: &str, lines: &[&[u8]]) -> (String, StandsFor) {
        let origin = proxies.origin(Some(SocketAddr::new(peer.parse().unwrap(), 50_000)), &headers(lines));
        (origin.ip.unwrap().to_string(), origin.stands_for)
    }

    #[test]
    fn a_client_is_the_right_most_hop_that_is_not_trusted() {
        let table: [(&str, &[&[u8]], &str); 14] = [
            ("127.0.0.1", &[b"192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &[b"198.51.100.9, 192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &[b"198.51.100.9,192.0.2.1,10.1.2.3 ,\t10.0.0.1"], "192.0.2.1"),
            ("127.0.0.1", &[b"198.51.100.9", b"192.0.2.1, 10.1.2.3", b"10.0.0.1"], "192.0.2.1"),
            ("127.0.0.1", &[b"192.0.2.1:50001"], "192.0.2.1"),
            ("127.0.0.1", &[b"2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &[b"[2001:db8::1]"], "2001:db8::1"),
            ("127.0.0.1", &[b"[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &[b"::ffff:192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", &[b"192.0.2.1, ::ffff:10.0.0.1"], "192.0.2.1"),
            ("::ffff:127.0.0.1", &[b"192.0.2.1"], "192.0.2.1"),
            ("fd00::5", &[b"192.0.2.1, 2001:db8:ffff::7"], "192.0.2.1"),
            ("203.0.113.7", &[b"192.0.2.1"], "203.0.113.7"),
            ("203.0.113.7", &[b"192.0.2.1, 10.0.0.1"], "203.0.113.7"),
        ];
        for (peer, lines, client) in table {
            assert_eq!(origin(&proxies(), peer, lines), (client.to_owned(), Client), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_walk_that_ends_at_a_proxy_or_at_this_host_is_no_clients() {
        let table: [(&str, &[&[u8]], &str, StandsFor); 10] = [
            ("127.0.0.1", &[], "127.0.0.1", ThisHost),
            ("::1", &[], "::1", ThisHost),
            ("10.0.0.1", &[], "10.0.0.1", Many),
            ("10.0.0.1", &[b""], "10.0.0.1", Many),
            ("10.0.0.1", &[b"unknown"], "10.0.0.1", Many),
            ("10.0.0.1", &[b"192.0.2.1, \xff\xfe"], "10.0.0.1", Many),
            ("10.0.0.1", &[b"192.0.2.1, 192.0.2.256, 10.0.0.2"], "10.0.0.2", Many),
            ("10.0.0.1", &[b"192.0.2.1,, 10.0.0.2"], "10.0.0.2", Many),
            ("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], "10.0.0.3", Many),
            ("10.0.0.1", &[b"192.0.2.1, 127.0.0.9"], "127.0.0.9", ThisHost),
        ];
        for (peer, lines, ip, stands_for) in table {
            assert_eq!(origin(&proxies(), peer, lines), (ip.to_owned(), stands_for), "{peer} {lines:?}");
        }
        let nobody = proxies().origin(None, &headers(&[b"192.0.2.1"]));
        assert_eq!(nobody, Origin { ip: None, stands_for: Many });
    }

    #[test]
    fn without_the_header_a_peer_is_itself() {
        for peer in ["192.0.2.1", "192.168.0.7", "2001:db8::1"] {
            assert_eq!(origin(&Proxies::default(), peer, &[]), (peer.to_owned(), Client));
        }
    }

    #[test]
    fn a_peer_of_ones_own_network_that_is_not_listed_is_warned_about_once_and_is_no_client() {
        let peers = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.0.1", "100.64.0.1", "fd12::1", "fe80::1"];
        let peers = peers.map(|peer| (peer, Many)).into_iter().chain([("127.0.0.1", ThisHost), ("::1", ThisHost)]);
        for (peer, stands_for) in peers {
            let proxies = Proxies::default();
            assert_eq!(origin(&proxies, peer, &[b"192.0.2.1"]), (peer.to_owned(), stands_for));
            assert!(proxies.warned.load(Ordering::Relaxed), "{peer}");
        }
        let proxies = Proxies::default();
        for peer in ["203.0.113.7", "172.32.0.1", "100.128.0.1", "2001:db8::1"] {
            assert_eq!(origin(&proxies, peer, &[b"192.0.2.1"]), (peer.to_owned(), Client));
        }
        assert!(!proxies.warned.load(Ordering::Relaxed));
    }
}
