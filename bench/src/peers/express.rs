//! The service that tutorials show: Express, jsonwebtoken and bcrypt, with everything in memory (`bench/peers/express`).

use std::path::Path;

use anyhow::Result;

use super::rest::Rest;
use super::{Description, Missing, Peer, Prepared, node};

/// Of `bench/peers`.
const FOLDER: &str = "express";

/// The tutorials' service.
pub struct Express;

impl Express {
    /// For the report, and for its limits.
    pub const NAME: &str = "Express tutorial";
}

impl Peer for Express {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn rotates(&self) -> bool {
        true
    }

    fn found(&self, cost: u32) -> Result<Description, Missing> {
        Ok(Description {
            version: node::versions(FOLDER, &["express", "jsonwebtoken", "bcrypt"])?,
            settings: format!(
                "NODE_ENV=production, one process (Express advises a cluster), users and refresh tokens in its memory, \
                 bcrypt at cost {cost}"
            ),
            differs: vec!["nothing is on a disk: a restart logs everybody out, and forgets who they were"],
        })
    }

    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>> {
        node::prepare(FOLDER, &Rest { changes_passwords: false }, ground, (people, cost))
    }
}
