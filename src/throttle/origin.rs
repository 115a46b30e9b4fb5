//! Where an attempt comes from.
//!
//! Owns what counts as one address: an IPv4 address is one however it is spelt, of an IPv6 address the first 64 bits, because
//! any host has all the others for itself (RFC 4291 §2.5.4), and all loopback addresses are one, because any program of this
//! host has all of them (127.0.0.0/8 and ::1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The bits of an IPv6 address that a network gives to one customer at least.
const NETWORK_BITS: u32 = 64;

/// Who is at the other end, as far as proxies can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The client's address; an IPv4 client of a socket that also speaks IPv6 has one name, not two.
    pub ip: Option<IpAddr>,
    /// Whom it stands for.
    pub stands_for: StandsFor,
}

/// Whom an address stands for, and so what may be counted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandsFor {
    /// One client.
    Client,
    /// Many: a proxy that did not say who asks, or nobody knows whom.
    Many,
    /// This host: its operator's tools, and tests.
    ThisHost,
}

/// What is counted as one address.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        ip if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - NETWORK_BITS)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_itself_in_ipv4_its_first_64_bits_in_ipv6_and_this_host_is_one() {
        let table = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::", "2001:db8:1:3::"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.255.3.9", "127.0.0.1"),
            ("::1", "127.0.0.1"),
            ("::ffff:127.0.0.2", "127.0.0.1"),
            ("::2", "::"),
        ];
        for (ip, expected) in table {
            assert_eq!(network(ip.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{ip}");
        }
    }
}
