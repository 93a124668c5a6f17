//! The sessions of a node whose calls are written down: it says what it acknowledged, after each acknowledgement.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_node::engine::{Administration, Input};
use fengqiao_node::journal::FolderLock;
use fengqiao_node::keystore::{CaseSecret, FileKeyStore, KeyStore as _};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;

use super::dice::Dice;
use super::neighbours::{self, Neighbours};
use super::stand::{Registered, Standing, make};

/// Of an ordinary text, characters.
const TEXT_CHARACTERS: usize = 60;
/// Of a text that fills segments.
const LONG_CHARACTERS: usize = 50_000;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Session {
    /// Makes the folder.
    Init,
    /// Makes the folder where none is, and works on cases.
    Whole,
    /// Works on cases.
    Work,
    /// Works on cases whose texts fill segments.
    Turn,
    /// Leaves half an append behind in journal and key store.
    Tear,
    /// Makes a parent, and the folder by its invitation; a child joins.
    Join,
    /// Works on cases between a parent and a child.
    Between,
    /// Puts and erases keys.
    Keys,
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    /// In order.
    Close,
    /// At once, as if killed.
    Abort,
}

/// Says one line; the shim gives it its place among the calls.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    Ok(out.flush()?)
}

/// The text of the nth case.
pub(crate) fn text(nth: usize, characters: usize) -> String {
    let filling = format!("{nth:07} ").repeat(characters / 8);
    format!("诉求 {nth} {filling}")
}

/// The key of the nth case of a key store's session.
pub(crate) fn secret(nth: usize) -> ([u8; 16], CaseSecret) {
    let mut dice = Dice(nth as u64 + 1_000_000);
    let mut bytes = [0; 80];
    for eight in bytes.chunks_exact_mut(8) {
        eight.copy_from_slice(&dice.next().to_le_bytes());
    }
    let (case, rest) = bytes.split_at(16);
    let (salt, key) = rest.split_at(32);
    let mut secret = CaseSecret::with_salt(salt.try_into().unwrap_or_default());
    secret.key = key.try_into().ok();
    (case.try_into().unwrap_or_default(), secret)
}

/// Carries out one session.
pub(crate) fn session(
    folder: &Path,
    session: Session,
    boot: &str,
    from: usize,
    rounds: usize,
    end: End,
) -> anyhow::Result<()> {
    say(&format!("boot {boot}"))?;
    match session {
        Session::Init => {
            make(folder)?;
            say("made")?;
        }
        Session::Whole => {
            if !folder.join("identity.json").exists() {
                make(folder)?;
                say("made")?;
            }
            work(folder, boot, from, rounds, TEXT_CHARACTERS, end)?;
        }
        Session::Work => work(folder, boot, from, rounds, TEXT_CHARACTERS, end)?,
        Session::Turn => work(folder, boot, from, rounds, LONG_CHARACTERS, end)?,
        Session::Tear => tear(folder)?,
        Session::Join => join(folder, boot)?,
        Session::Between => between(folder, boot, from, rounds, end)?,
        Session::Keys => keys(folder, from, rounds)?,
    }
    if end == End::Abort {
        std::process::abort();
    }
    Ok(())
}

fn work(
    folder: &Path,
    boot: &str,
    from: usize,
    rounds: usize,
    characters: usize,
    end: End,
) -> anyhow::Result<()> {
    let standing = Standing::open(folder, boot)?;
    say("opened")?;
    if from == 0 {
        begin(&standing)?;
    }
    for round in from..from + rounds {
        // Three a round, so that some of them share a record.
        let texts: Vec<String> = (0..3)
            .map(|nth| text(round * 3 + nth, characters))
            .collect();
        let cases = standing.register(&texts)?;
        for (nth, registered) in cases.iter().enumerate() {
            let number = round * 3 + nth;
            say(&format!(
                "case {} {} {number} {characters}",
                registered.case, registered.entry
            ))?;
        }
        let case = cases.first().context("a case")?.case;
        for command in [moves::accept(), moves::take_action()] {
            let done = standing.carry_out(case, command)?;
            say(&format!("entry {} {}", done.case, done.entry))?;
        }
    }
    if end == End::Close {
        standing.close()?;
        say("closed")?;
    } else {
        // Nothing is closed: the process is about to be gone.
        std::mem::forget(standing);
    }
    Ok(())
}

/// A place below with a node of its own, so that something is owed to a link.
fn begin(standing: &Standing) -> anyhow::Result<()> {
    let place = fengqiao_hub::id::PlaceId([7; 10]);
    let wanted = pb::AddPlaceRequest {
        code: "371402001".to_owned(),
        name: "新华街道".to_owned(),
        level: 50,
        place: place.to_string(),
        ..Default::default()
    };
    standing.administer(Administration::AddPlaces(vec![wanted]))?;
    let key = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let registration = pb::NodeEnrolled {
        node: vec![9; 10],
        place: place.to_vec(),
        unit: Vec::new(),
        signing_key: key.verifying_key().as_bytes().to_vec(),
        encryption_key: vec![5; 32],
        transport_key_hash: vec![6; 32],
        incarnation: 1,
        generation: 1,
    };
    anyhow::ensure!(
        standing.node.submit(Input::Enrol { registration }),
        "the inbox is full"
    );
    Ok(())
}

/// Joins a parent, and has a child join.
fn join(folder: &Path, boot: &str) -> anyhow::Result<()> {
    neighbours::join_above(folder)?;
    say("made")?;
    let standing = Standing::open(folder, boot)?;
    say("opened")?;
    neighbours::join_below(folder, &standing)?;
    standing.close()?;
    say("closed")
}

/// Cases come from the child, are registered here and go on up, are given down from the parent, and taken by it.
fn between(folder: &Path, boot: &str, from: usize, rounds: usize, end: End) -> anyhow::Result<()> {
    let neighbours = Neighbours::open(folder)?;
    let (above, below) = (&neighbours.above, &neighbours.below);
    let standing = Standing::open(folder, boot)?;
    say("opened")?;
    neighbours.carry(&standing)?;
    let register = |at: &Standing, nth: usize| -> anyhow::Result<Registered> {
        let mut cases = at.register(&[text(nth, TEXT_CHARACTERS)])?;
        cases.pop().context("a case")
    };
    let entry = |done: &Registered| say(&format!("entry {} {}", done.case, done.entry));
    for round in from..from + rounds {
        let fresh = register(below, round * 3)?;
        let accepted = below.carry_out(fresh.case, moves::accept())?;
        let own = register(&standing, round * 3 + 1)?;
        let number = round * 3 + 1;
        let (case, first) = (own.case, &own.entry);
        say(&format!("case {case} {first} {number} {TEXT_CHARACTERS}"))?;
        neighbours.carry(&standing)?;
        // What was acknowledged to the child is here for good.
        entry(&fresh)?;
        entry(&accepted)?;
        entry(&standing.carry_out(case, moves::accept())?)?;
        neighbours.carry(&standing)?;
        entry(&standing.carry_out(case, moves::take_action())?)?;
        let given = register(above, round * 3 + 2)?;
        above.carry_out(given.case, moves::accept())?;
        let place = standing.node.me.at.place.to_string();
        let down = moves::dispatch(&place, 0);
        let dispatched = above.carry_out(given.case, down)?;
        let taken = above.carry_out(
            accepted.case,
            moves::take_because(pb::TakingReason::Decision),
        );
        neighbours.carry(&standing)?;
        entry(&given)?;
        entry(&dispatched)?;
        // Settled below, stays below: the parent may know the case by its notice only.
        if let Ok(taken) = taken {
            entry(&taken)?;
        }
        entry(&standing.carry_out(given.case, moves::sign_for())?)?;
    }
    if end == End::Close {
        standing.close()?;
        say("closed")?;
        return neighbours.close();
    }
    // Nothing is closed: the process is about to be gone.
    std::mem::forget((standing, neighbours));
    Ok(())
}

/// What a process leaves that dies in the middle of a write.
fn tear(folder: &Path) -> anyhow::Result<()> {
    let journal = std::fs::read_dir(folder.join("journal"))?;
    let mut segments: Vec<_> = journal
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    segments.sort();
    let last = segments.pop().context("a segment")?;
    for (path, half) in [(last, 700), (folder.join("keys"), 90)] {
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(&vec![0xA5; half])?;
    }
    Ok(())
}

fn keys(folder: &Path, from: usize, rounds: usize) -> anyhow::Result<()> {
    let lock = FolderLock::acquire(folder)?;
    // As the making of a data folder does.
    File::open(folder.parent().context("a parent")?)?.sync_all()?;
    let mut store = FileKeyStore::open(&lock)?.store;
    for round in from..from + rounds {
        let secrets: Vec<_> = (0..3).map(|nth| secret(round * 3 + nth)).collect();
        store.put_many(&secrets)?;
        for nth in 0..3 {
            say(&format!("key {}", round * 3 + nth))?;
        }
        if round % 3 == 2 {
            let gone = [round * 3, (round * 7) % (round * 3)];
            say(&format!("erasing {} {}", gone[0], gone[1]))?;
            store.erase_many(&gone.map(|nth| secret(nth).0))?;
            say(&format!("erased {} {}", gone[0], gone[1]))?;
        }
    }
    Ok(())
}

/// What a session said, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It runs under this boot id.
    Boot(String),
    /// The folder is made.
    Made,
    /// A case is registered, with the nth text.
    Case {
        case: ChainId,
        entry: Hash,
        nth: usize,
        characters: usize,
    },
    /// An entry is written.
    Entry { case: ChainId, entry: Hash },
    /// The key of the nth case is kept.
    Key(usize),
    /// Keys are about to be erased.
    Erasing(usize),
    /// They are.
    Erased(usize),
    /// Opened, or closed in order.
    Passed,
}

/// Reads a line.
pub(crate) fn read_said(text: &str) -> anyhow::Result<Vec<Said>> {
    let mut all = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["boot", boot] => all.push(Said::Boot(boot.to_owned())),
            ["made"] => all.push(Said::Made),
            ["case", case, entry, nth, characters] => all.push(Said::Case {
                case: chain(case)?,
                entry: hash(entry)?,
                nth: nth.parse()?,
                characters: characters.parse()?,
            }),
            ["entry", case, entry] => all.push(Said::Entry {
                case: chain(case)?,
                entry: hash(entry)?,
            }),
            ["key", nth] => all.push(Said::Key(nth.parse()?)),
            ["erasing", one, two] => {
                all.extend([Said::Erasing(one.parse()?), Said::Erasing(two.parse()?)]);
            }
            ["erased", one, two] => {
                all.extend([Said::Erased(one.parse()?), Said::Erased(two.parse()?)]);
            }
            ["opened" | "closed"] => all.push(Said::Passed),
            _ => anyhow::bail!("a session said {line:?}"),
        }
    }
    Ok(all)
}

fn chain(text: &str) -> anyhow::Result<ChainId> {
    text.parse()
        .map_err(|_| anyhow::anyhow!("{text} is no chain"))
}

fn hash(text: &str) -> anyhow::Result<Hash> {
    let digits = (0..text.len()).step_by(2);
    let bytes = digits.map(|at| {
        text.get(at..at + 2)
            .and_then(|two| u8::from_str_radix(two, 16).ok())
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes
        .and_then(|bytes| Hash::from_bytes(&bytes))
        .with_context(|| format!("{text} is no hash"))
}
