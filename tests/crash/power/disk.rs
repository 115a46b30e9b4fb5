//! What a power cut leaves of a directory.
//!
//! Owns one rule: durable is what a sync that has ended covered, that is, what was done before it began; a name is
//! durable by a sync of the directory that holds it. Of everything else, anything may be there:
//!
//! - of a file, each sector of 512 bytes as it was at a moment of its own since then, and the length of a moment of its own
//! - of a directory, any of the names that came and went since then, in order
//!
//! journal -> [`Disk::replay`] -> [`Disk::after_a_cut`] -> [`Remains`] -> a directory to start from

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::journal::{Deed, Record};

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

/// What is there of that which no sync covered.
pub enum Unsynced<'r> {
    /// All: a kill, and the system lives on.
    Kept,
    /// Nothing, not even a name: the harshest that POSIX allows.
    Lost,
    /// Whatever is drawn, anew for each file and directory.
    Drawn(&'r mut StdRng),
}

/// Paths with their modes, and with contents where they are files.
pub type Remains = BTreeMap<PathBuf, (u32, Option<Vec<u8>>)>;

pub struct Disk<'j> {
    objects: Vec<Object<'j>>,
    /// An inode's number is given again once it is free.
    by_inode: HashMap<u64, usize>,
}

enum Object<'j> {
    File(u32, Buffered<Vec<u8>, Change<'j>>),
    Directory(u32, Buffered<Names, Naming>),
}

/// Indices of [`Disk::objects`].
type Names = BTreeMap<String, usize>;

enum Change<'j> {
    Write(usize, &'j [u8]),
    Truncate(usize),
}

enum Naming {
    Comes(String, usize),
    Goes(String),
}

/// Something durable, and what was done to it since.
struct Buffered<D, C> {
    durable: D,
    pending: Vec<C>,
    /// Changes that became durable.
    settled: usize,
    /// Of each thread that syncs it: the changes that were there when it began.
    covered: HashMap<u64, usize>,
}

impl<D: Default, C> Buffered<D, C> {
    fn new() -> Self {
        Self { durable: D::default(), pending: Vec::new(), settled: 0, covered: HashMap::new() }
    }

    fn sync_begins(&mut self, thread: u64) {
        self.covered.insert(thread, self.settled + self.pending.len());
    }

    fn sync_ends(&mut self, thread: u64, apply: impl Fn(&C, &mut D)) {
        let covered = self.covered.remove(&thread).unwrap().saturating_sub(self.settled);
        self.pending.drain(..covered).for_each(|change| apply(&change, &mut self.durable));
        self.settled += covered;
    }
}

impl<'j> Disk<'j> {
    /// An empty directory, which is durable itself.
    pub fn empty(root: &Path) -> Self {
        let inode = fs::metadata(root).unwrap().ino();
        Self { objects: vec![Object::Directory(0o700, Buffered::new())], by_inode: HashMap::from([(inode, 0)]) }
    }

    pub fn replay(&mut self, record: &Record<'j>) {
        match record.deed {
            Deed::Create { name, mode } => self.add(name, record.file, Object::File(mode, Buffered::new())),
            Deed::MakeDirectory { name, mode } => {
                self.add(name, record.file, Object::Directory(mode, Buffered::new()));
            }
            Deed::Link { name } => {
                let object = self.by_inode[&record.file];
                self.name(name, |name| Naming::Comes(name, object));
            }
            Deed::Unlink { name } => self.name(name, Naming::Goes),
            Deed::Write { at, bytes } => self.file(record.file).pending.push(Change::Write(at, bytes)),
            Deed::Truncate { length } => self.file(record.file).pending.push(Change::Truncate(length)),
            Deed::SyncBegins { thread } => match self.object(record.file) {
                Object::File(_, file) => file.sync_begins(thread),
                Object::Directory(_, directory) => directory.sync_begins(thread),
            },
            Deed::SyncEnds { thread } => match self.object(record.file) {
                Object::File(_, file) => file.sync_ends(thread, Change::apply),
                Object::Directory(_, directory) => directory.sync_ends(thread, Naming::apply),
            },
        }
    }

    /// What is there when the machine starts again.
    pub fn after_a_cut(&self, mut unsynced: Unsynced<'_>) -> Remains {
        let mut remains = Remains::new();
        self.descend(0, Path::new(""), &mut unsynced, &mut remains);
        remains
    }

    fn descend(&self, directory: usize, path: &Path, unsynced: &mut Unsynced<'_>, remains: &mut Remains) {
        let Object::Directory(_, directory) = &self.objects[directory] else { panic!("{path:?} is not a directory") };
        for (name, object) in directory.after_a_cut(unsynced) {
            let path = path.join(name);
            match &self.objects[object] {
                Object::File(mode, file) => {
                    remains.insert(path, (*mode, Some(file.after_a_cut(unsynced))));
                }
                Object::Directory(mode, _) => {
                    remains.insert(path.clone(), (*mode, None));
                    self.descend(object, &path, unsynced, remains);
                }
            }
        }
    }

    fn add(&mut self, name: &str, inode: u64, object: Object<'j>) {
        let index = self.objects.len();
        self.objects.push(object);
        self.by_inode.insert(inode, index);
        self.name(name, |name| Naming::Comes(name, index));
    }

    /// Adds a change to the directory that a path lies in.
    fn name(&mut self, path: &str, naming: impl FnOnce(String) -> Naming) {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut index = 0;
        for level in above.split('/').filter(|level| !level.is_empty()) {
            let Object::Directory(_, directory) = &self.objects[index] else { panic!("{above} is not a directory") };
            index = directory.after_a_cut(&mut Unsynced::Kept)[level];
        }
        let Object::Directory(_, directory) = &mut self.objects[index] else { panic!("{above} is not a directory") };
        directory.pending.push(naming(name.to_owned()));
    }

    fn object(&mut self, inode: u64) -> &mut Object<'j> {
        &mut self.objects[self.by_inode[&inode]]
    }

    fn file(&mut self, inode: u64) -> &mut Buffered<Vec<u8>, Change<'j>> {
        match self.object(inode) {
            Object::File(_, file) => file,
            Object::Directory(..) => panic!("a write to a directory"),
        }
    }
}

impl Buffered<Names, Naming> {
    fn after_a_cut(&self, unsynced: &mut Unsynced<'_>) -> Names {
        let all = self.pending.len();
        let mut names = self.durable.clone();
        let mut keep: Box<dyn FnMut(usize) -> bool> = match unsynced {
            Unsynced::Kept => Box::new(|_| true),
            Unsynced::Lost => Box::new(|_| false),
            Unsynced::Drawn(rng) => match rng.random_range(0..4) {
                0 => Box::new(|_| true),
                1 => Box::new(|_| false),
                // What a journalling file system leaves.
                2 => {
                    let first = rng.random_range(0..=all);
                    Box::new(move |change| change < first)
                }
                _ => Box::new(|_| rng.random()),
            },
        };
        self.pending
            .iter()
            .enumerate()
            .filter(|(index, _)| keep(*index))
            .for_each(|(_, naming)| naming.apply(&mut names));
        names
    }
}

impl Buffered<Vec<u8>, Change<'_>> {
    fn after_a_cut(&self, unsynced: &mut Unsynced<'_>) -> Vec<u8> {
        let all = self.pending.len();
        let rng = match unsynced {
            Unsynced::Kept => return self.until(all, |_| all),
            Unsynced::Lost => return self.durable.clone(),
            Unsynced::Drawn(rng) => rng,
        };
        let moment = rng.random_range(0..=all);
        match rng.random_range(0..4) {
            // Everything or nothing.
            0 => self.until(all, |_| all),
            1 => self.durable.clone(),
            // Nearly in order, as when the cut hits in the middle of writing back.
            2 => self.until(moment, |_| if rng.random_ratio(1, 8) { rng.random_range(0..=all) } else { moment }),
            _ => self.until(moment, |_| rng.random_range(0..=all)),
        }
    }

    /// Each sector after as many changes as it is drawn, and the length after so many.
    fn until(&self, length_at: usize, mut draw: impl FnMut(usize) -> usize) -> Vec<u8> {
        let (mut contents, mut length) = (self.durable.clone(), self.durable.len());
        let mut moments = HashMap::new();
        let mut is_there =
            |sector: usize, change: usize| change < *moments.entry(sector).or_insert_with(|| draw(sector));
        for (index, change) in self.pending.iter().enumerate() {
            let counts = index < length_at;
            let (from, to) = match change {
                Change::Write(at, bytes) => (*at, at + bytes.len()),
                Change::Truncate(at) => (*at, contents.len().max(*at)),
            };
            contents.resize(contents.len().max(to), 0);
            let mut at = from;
            while at < to {
                let end = to.min((at / SECTOR + 1) * SECTOR);
                if is_there(at / SECTOR, index) {
                    match change {
                        Change::Write(_, bytes) => contents[at..end].copy_from_slice(&bytes[at - from..end - from]),
                        Change::Truncate(_) => contents[at..end].fill(0),
                    }
                }
                at = end;
            }
            match change {
                Change::Write(..) if counts => length = length.max(to),
                Change::Truncate(at) if counts => length = *at,
                Change::Write(..) | Change::Truncate(_) => {}
            }
        }
        contents.resize(length, 0);
        contents
    }
}

impl Change<'_> {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Truncate(length) => contents.resize(*length, 0),
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                contents.resize(contents.len().max(end), 0);
                contents[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Comes(name, object) => names.insert(name.clone(), *object),
            Self::Goes(name) => names.remove(name),
        };
    }
}

/// Makes a directory of what remains.
pub fn lay_out(remains: &Remains, root: &Path) {
    // A path comes after the directory that it lies in.
    for (path, (mode, contents)) in remains {
        let (path, mode) = (root.join(path), mode & 0o777);
        match contents {
            None => DirBuilder::new().mode(mode).create(path).unwrap(),
            Some(contents) => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).unwrap();
                file.write_all(contents).unwrap();
            }
        }
    }
}
