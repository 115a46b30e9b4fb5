//! What one password costs.
//!
//! Owns one figure: a hash at the least cost that is allowed outside tests, as the service makes it. It is to be compared with
//! itself in another build (docs/performance.md, "The build").
//!
//! `cargo bench -p latchkey-bench --bench hash`

#![expect(clippy::expect_used, reason = "a bench stops at the first thing that is not as it expects")]

use std::hint::black_box;

use criterion::Criterion;
use latchkey::passwords::{Hasher, Password, Submitted};

/// Each step more doubles the time.
const COST: u32 = 10;

fn main() {
    let hasher = Hasher::new(COST);
    let password = Password::parse(&Submitted::new("as long as most are".to_owned())).expect("a password");
    let mut criterion = Criterion::default().sample_size(30).configure_from_args();
    criterion.bench_function("hash at cost 10", |bencher| bencher.iter(|| hasher.hash(black_box(&password))));
    criterion.final_summary();
}
