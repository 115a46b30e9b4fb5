//! What the process did to its directory, in order, as `shim.c` wrote it down.

use std::path::Path;
use std::{fs, str};

/// Bytes of a record before its name: `struct record` of the shim.
const HEAD: usize = 32;

/// One thing that was done.
#[derive(Debug, Clone, Copy)]
pub enum Deed<'j> {
    Create { name: &'j str, mode: u32 },
    MakeDirectory { name: &'j str, mode: u32 },
    Link { name: &'j str },
    Unlink { name: &'j str },
    Write { at: usize, bytes: &'j [u8] },
    Truncate { length: usize },
    SyncBegins { thread: u64 },
    SyncEnds { thread: u64 },
}

#[derive(Debug, Clone, Copy)]
pub struct Record<'j> {
    /// The inode; a name that goes has none.
    pub file: u64,
    pub deed: Deed<'j>,
    /// The journal's length with this record, as a client may have seen it.
    pub end: u64,
}

/// A whole journal.
pub struct Journal(Vec<u8>);

impl Journal {
    pub fn read(path: &Path) -> Self {
        Self(fs::read(path).unwrap())
    }

    pub fn records(&self) -> Vec<Record<'_>> {
        let (mut records, mut rest) = (Vec::new(), self.0.as_slice());
        while !rest.is_empty() {
            let (record, after) = record(rest, self.0.len());
            records.push(record);
            rest = after;
        }
        records
    }
}

fn record(bytes: &[u8], whole: usize) -> (Record<'_>, &[u8]) {
    let (head, rest) = bytes.split_at(HEAD);
    let (kind, name) = (u32::from_ne_bytes(head[..4].try_into().unwrap()), &head[4..8]);
    let [file, at, length] = [8, 16, 24].map(|from| u64::from_ne_bytes(head[from..from + 8].try_into().unwrap()));
    let (name, rest) = rest.split_at(u32::from_ne_bytes(name.try_into().unwrap()) as usize);
    let (bytes, rest) = rest.split_at(length as usize);
    let (name, mode) = (str::from_utf8(name).unwrap(), at as u32);
    let deed = match kind {
        1 => Deed::Create { name, mode },
        2 => Deed::MakeDirectory { name, mode },
        3 => Deed::Link { name },
        4 => Deed::Unlink { name },
        5 => Deed::Write { at: at as usize, bytes },
        6 => Deed::Truncate { length: at as usize },
        7 => Deed::SyncBegins { thread: at },
        8 => Deed::SyncEnds { thread: at },
        other => panic!("the journal holds a record of kind {other}"),
    };
    (Record { file, deed, end: (whole - rest.len()) as u64 }, rest)
}
