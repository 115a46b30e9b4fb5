//! Where an attempt comes from.
//!
//! Owns what counts as one address: an IPv4 address is one however it is spelt, and of an IPv6 address the first 64 bits,
//! because any host has all the others for itself (RFC 4291 §2.5.4).

use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that a network gives to one customer at least.
const NETWORK_BITS: u32 = 64;

/// Who is at the other end, as far as proxies can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The client's address; an IPv4 client of a socket that also speaks IPv6 has one name, not two.
    pub ip: Option<IpAddr>,
    /// Whether it stands for one client: neither this host nor a proxy that many come through.
    pub is_counted: bool,
}

/// What is counted as one address.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - NETWORK_BITS)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_itself_in_ipv4_and_its_first_64_bits_in_ipv6() {
        let table = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
            ("::1", "::"),
        ];
        for (ip, expected) in table {
            assert_eq!(network(ip.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{ip}");
        }
    }
}
