//! Bit rot: a flipped bit, a zeroed page or a cut file, in a folder at rest. Found every time, or harmless.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use fengqiao_node::folder::{Folder, FolderError};
use fengqiao_node::journal::{
    Damage, FileJournal, FolderLock, Journal as _, JournalError, JournalReader as _, Options,
    Position, RECORD_HEADER_BYTES, Wound,
};
use fengqiao_node::keystore::{CaseSecret, FileKeyStore, KeyStore as _, KeyStoreError};

use super::check::{Expected, check, everything_read_is_right, records_of};
use super::dice::Dice;
use super::record::{Life, session};
use super::stand::Standing;
use super::work::{Said, read_said};

const PAGE: usize = 4096;
/// Of a segment file.
const SEGMENT_HEADER: u64 = 80;
/// How often another place is looked for, when the one drawn would change nothing.
const DRAWS_MAX: usize = 10_000;

/// What rots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Store,
    Journal,
    Witness,
    Keys,
    Identity,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One bit.
    Bit,
    /// A page of zeros.
    Page,
    /// All from some byte on is gone.
    Cut,
}

/// One rotten place, drawn by its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rot {
    pub(crate) target: Target,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
}

const TARGETS: [(Target, &str); 5] = [
    (Target::Store, "store"),
    (Target::Journal, "journal"),
    (Target::Witness, "witness"),
    (Target::Keys, "keys"),
    (Target::Identity, "identity"),
];
const KINDS: [(Kind, &str); 3] = [(Kind::Bit, "bit"), (Kind::Page, "page"), (Kind::Cut, "cut")];

impl fmt::Display for Rot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = TARGETS.iter().find(|(target, _)| *target == self.target);
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind);
        let (target, kind) = (target.map_or("", |t| t.1), kind.map_or("", |k| k.1));
        write!(f, "{target}:{kind}:{}", self.seed)
    }
}

impl FromStr for Rot {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [target, kind, seed] = parts[..] else {
            bail!("rot is TARGET:KIND:SEED");
        };
        let target = TARGETS.iter().find(|(_, name)| *name == target);
        let kind = KINDS.iter().find(|(_, name)| *name == kind);
        Ok(Self {
            target: target.context("no such target")?.0,
            kind: kind.context("no such kind")?.0,
            seed: seed.parse()?,
        })
    }
}

/// Makes the two folders that rot: `clean`, whose process stopped in order, and `killed`, whose process did not.
pub(crate) fn grow(folder: &Path) -> anyhow::Result<()> {
    let clean = folder.join("clean");
    fs::create_dir_all(&clean)?;
    let mut said = String::new();
    for plan in Life::Rot.plans() {
        let mut command = session(&clean.join("data"), &plan)?;
        let done = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()?;
        said.push_str(&String::from_utf8_lossy(&done.stdout));
        if plan.aborts() {
            // The last session is the one that is killed: what stood before it is the clean folder.
            continue;
        }
        ensure!(
            done.status.success(),
            "{plan:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        copy(&clean, &folder.join("before"))?;
        fs::write(folder.join("before.said"), &said)?;
    }
    fs::rename(&clean, folder.join("killed"))?;
    fs::write(folder.join("killed.said"), &said)?;
    fs::rename(folder.join("before"), &clean)?;
    fs::rename(folder.join("before.said"), folder.join("clean.said"))?;
    Ok(())
}

/// Copies a folder over what stands at `to`.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(to);
    for file in fengqiao_tests::city::files(from) {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&file, &target)?;
    }
    // sled expects the folder, full or not.
    if from.join("data/store/sled/blobs").exists() {
        fs::create_dir_all(to.join("data/store/sled/blobs"))?;
    }
    Ok(())
}

/// A record and where it stands.
#[derive(Debug, Clone, Copy)]
struct Extent {
    position: u64,
    next: u64,
}

/// One of the two folders, as it was.
struct Ground {
    folder: PathBuf,
    said: Vec<Said>,
    payloads: Arc<Vec<Vec<u8>>>,
    records: Vec<Extent>,
    keys: Vec<([u8; 16], CaseSecret)>,
    /// Of these so many were kept before the last start, and so can be no torn tail.
    keys_vouched: usize,
    /// The witness had seen all.
    clean: bool,
}

impl Ground {
    fn look(grown: &Path, name: &str, scratch: &Path) -> anyhow::Result<Self> {
        let folder = grown.join(name);
        let said = read_said(&fs::read_to_string(grown.join(format!("{name}.said")))?)?;
        let look = scratch.join("look");
        copy(&folder, &look)?;
        let data = look.join("data");
        let payloads = records_of(&data)?;
        let mut records = Vec::new();
        let mut at = 0;
        for payload in &payloads {
            let next = at + (RECORD_HEADER_BYTES + payload.len()) as u64;
            records.push(Extent { position: at, next });
            at = next;
        }
        let lock = FolderLock::acquire(&data)?;
        let store = FileKeyStore::open(&lock)?.store;
        let (mut keys, mut keys_vouched) = (Vec::new(), 0);
        for said in &said {
            if let Said::Case { case, .. } = said {
                let secret = store.get(&case.0).context("a key")?;
                keys.push((case.0, secret.clone()));
            } else if let Said::Passed = said {
                keys_vouched = keys.len();
            }
        }
        fs::remove_dir_all(&look)?;
        Ok(Self {
            folder,
            said,
            payloads: Arc::new(payloads),
            records,
            keys,
            keys_vouched,
            clean: name == "clean",
        })
    }
}

/// Judges rot after rot.
pub(crate) struct Bench {
    grounds: [Ground; 2],
    left: PathBuf,
}

/// What became of a file.
struct Hurt {
    file: PathBuf,
    from: usize,
    to: usize,
}

impl Bench {
    pub(crate) fn new(grown: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(scratch);
        fs::create_dir_all(scratch)?;
        Ok(Self {
            grounds: [
                Ground::look(grown, "clean", scratch)?,
                Ground::look(grown, "killed", scratch)?,
            ],
            left: scratch.join("left"),
        })
    }

    /// Lets one place rot and looks what the node says.
    pub(crate) fn judge(&self, rot: Rot) -> anyhow::Result<&'static str> {
        let mut dice = Dice(rot.seed);
        let ground = &self.grounds[dice.roll(2)];
        copy(&ground.folder, &self.left)?;
        let data = self.left.join("data");
        let hurt = hurt(&data, rot, &mut dice)?;
        let place = format!(
            "{} bytes {}-{}, {}",
            hurt.file.display(),
            hurt.from,
            hurt.to,
            if ground.clean { "clean" } else { "killed" }
        );
        let verdict = match rot.target {
            Target::Store => store(&data, ground),
            Target::Journal => journal(&data, ground, &hurt),
            Target::Witness => witness(&data, ground),
            Target::Keys => keys(&data, ground, &hurt),
            Target::Identity => identity(&data),
        };
        verdict.context(place)
    }
}

fn files_of(data: &Path, target: Target) -> Vec<PathBuf> {
    let below = |name: &str| fengqiao_tests::city::files(&data.join(name));
    match target {
        Target::Store => below("store")
            .into_iter()
            .filter(|file| !file.ends_with("lock"))
            .collect(),
        Target::Journal => below("journal"),
        Target::Witness => vec![data.join("witness")],
        Target::Keys => vec![data.join("keys")],
        Target::Identity => vec![data.join("identity.json")],
    }
}

/// Hurts one place of one file, drawn by the dice among all bytes; never without a change.
fn hurt(data: &Path, rot: Rot, dice: &mut Dice) -> anyhow::Result<Hurt> {
    let files = files_of(data, rot.target);
    let mut contents = Vec::new();
    for file in files {
        contents.push((fs::read(&file)?, file));
    }
    // Small files are as likely to be hit as they are small, but each is hit now and then.
    let small = dice.roll(8) == 0;
    let total: usize = contents.iter().map(|(bytes, _)| bytes.len()).sum();
    for _ in 0..DRAWS_MAX {
        let mut at = dice.roll(total);
        let mut which = 0;
        while at >= contents[which].0.len() {
            at -= contents[which].0.len();
            which += 1;
        }
        if small {
            which = dice.roll(contents.len());
            at = dice.roll(contents[which].0.len());
        }
        let (bytes, file) = &contents[which];
        if bytes.is_empty() {
            continue;
        }
        let mut after = bytes.clone();
        let (from, to) = match rot.kind {
            Kind::Bit => {
                after[at] ^= 1 << dice.roll(8);
                (at, at + 1)
            }
            Kind::Page => {
                let from = at / PAGE * PAGE;
                let to = (from + PAGE).min(bytes.len());
                after[from..to].fill(0);
                (from, to)
            }
            Kind::Cut => {
                after.truncate(at);
                (at, bytes.len())
            }
        };
        if after != *bytes {
            fs::write(file, after)?;
            return Ok(Hurt {
                file: file.clone(),
                from,
                to,
            });
        }
    }
    bail!("nothing to hurt")
}

/// Set aside and built again, or harmless: what it says is what the journal says.
fn store(data: &Path, ground: &Ground) -> anyhow::Result<&'static str> {
    let expected = Expected {
        said: ground.said.clone(),
        boot: "one".to_owned(),
        power_cut: false,
        rotten: true,
        records: Some(Arc::clone(&ground.payloads)),
        again: true,
    };
    Ok(check(data, &expected)?.word())
}

/// Refused with its position, or listed by `verify`, or cut because it can be a torn tail; never skipped.
fn journal(data: &Path, ground: &Ground, hurt: &Hurt) -> anyhow::Result<&'static str> {
    let first = first_of(&hurt.file)?;
    let file_bytes = hurt.to.max(hurt.from + 1) as u64;
    // What of the log is hurt, as positions; the header stands before it.
    let header = (hurt.from as u64) < SEGMENT_HEADER;
    let from = first + (hurt.from as u64).saturating_sub(SEGMENT_HEADER);
    let to = first + file_bytes.saturating_sub(SEGMENT_HEADER);
    let touched: Vec<Extent> = ground
        .records
        .iter()
        .copied()
        .filter(|record| record.position < to && record.next > from && record.position >= first)
        .collect();
    let lock = FolderLock::acquire(data)?;
    let opened = match FileJournal::open(&lock, Options::default()) {
        Ok(opened) => opened,
        Err(JournalError::Damaged(damage)) => {
            confined(&damage, header, &touched, first)?;
            return Ok("refused");
        }
        Err(JournalError::RolledBack { .. }) => {
            ensure!(
                touched.last().map(|last| last.next) == ground.records.last().map(|last| last.next),
                "rolled back, but its end is there"
            );
            return Ok("refused");
        }
        Err(error) => bail!("refused by another name: {error:#}"),
    };
    let end = opened.journal.end().0;
    let whole = ground.records.last().map_or(0, |last| last.next);
    if opened.cut_bytes > 0 || end < whole {
        ensure!(!ground.clean, "cut to {end} after a clean stop, of {whole}");
        let kept = touched.first().map(|record| record.position);
        ensure!(kept == Some(end), "cut at {end}, but hurt at {kept:?}");
        return Ok("cut as a torn tail");
    }
    let reader = opened.journal.file_reader();
    let verified = reader.verify(&mut |_, _| {})?;
    ensure!(!verified.damages.is_empty(), "nobody noticed");
    for damage in &verified.damages {
        confined(damage, header, &touched, first)?;
    }
    if let Some(hit) = touched.first() {
        let read: Vec<_> = reader.tail(Position(hit.position)).take(1).collect();
        ensure!(matches!(read[..], [Err(_)]), "a hurt record was read");
    }
    drop((reader, opened, lock));
    // A node that runs over it answers rightly or not at all.
    if let Ok(standing) = Standing::open(data, "one") {
        everything_read_is_right(&standing, &ground.said)?;
    }
    Ok("found by verify")
}

fn confined(damage: &Damage, header: bool, touched: &[Extent], segment: u64) -> anyhow::Result<()> {
    let position = damage.position.0;
    if damage.wound != Wound::Record {
        let near =
            header || position == segment || touched.iter().any(|record| record.next >= position);
        ensure!(near, "{damage:?} is elsewhere");
        return Ok(());
    }
    let first = touched.first().context("a record is hurt")?;
    let last = touched.last().context("a record is hurt")?;
    ensure!(
        position >= first.position && position + damage.length <= last.next,
        "{damage:?} is not confined to {first:?} - {last:?}"
    );
    Ok(())
}

fn first_of(segment: &Path) -> anyhow::Result<u64> {
    let stem = segment.file_stem().and_then(|stem| stem.to_str());
    Ok(stem.context("a segment's name")?.parse()?)
}

/// Refused, and nothing else changed.
fn witness(data: &Path, ground: &Ground) -> anyhow::Result<&'static str> {
    let lock = FolderLock::acquire(data)?;
    match FileJournal::open(&lock, Options::default()) {
        Err(JournalError::WitnessDamaged) => Ok("refused"),
        Err(error) => bail!("refused by another name: {error:#}"),
        Ok(opened) => {
            let whole = ground.records.last().map_or(0, |last| last.next);
            bail!("opened to {} of {whole}", opened.journal.end().0)
        }
    }
}

/// Refused: nobody runs under another name.
fn identity(data: &Path) -> anyhow::Result<&'static str> {
    match Folder::open(data) {
        Err(FolderError::Damaged { .. } | FolderError::Newer { .. }) => Ok("refused"),
        Err(error) => bail!("refused by another name: {error:#}"),
        Ok(folder) => bail!("opened as {:?}", folder.identity),
    }
}

/// Refused, or cut because it can be a torn tail; never another key.
fn keys(data: &Path, ground: &Ground, hurt: &Hurt) -> anyhow::Result<&'static str> {
    let lock = FolderLock::acquire(data)?;
    let opened = match FileKeyStore::open(&lock) {
        Ok(opened) => opened,
        Err(KeyStoreError::Damaged { offset }) => {
            ensure!(offset < hurt.to as u64, "said to be at {offset}");
            return Ok("refused");
        }
        Err(error) => bail!("refused by another name: {error:#}"),
    };
    let mut lost = 0;
    for (nth, (case, secret)) in ground.keys.iter().enumerate() {
        let Some(held) = opened.store.get(case) else {
            ensure!(
                nth >= ground.keys_vouched,
                "key {nth}, no torn tail, is lost"
            );
            lost += 1;
            continue;
        };
        ensure!(held == secret, "a wrong key");
    }
    ensure!(lost > 0, "nobody noticed");
    Ok("cut as a torn tail")
}
