//! Looks at what a stop left: opened by the code that ships, is every promise kept?

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use fengqiao_hub::id::ChainId;
use fengqiao_hub::payload::{self, Part};
use fengqiao_node::engine::chains::Chain;
use fengqiao_node::folder::{Folder, FolderError};
use fengqiao_node::journal::{
    FileJournal, FolderLock, Journal as _, JournalReader, Options, Position,
};
use fengqiao_node::keystore::{FileKeyStore, KeyStore as _};
use fengqiao_node::store::tables::{self, ChainRow};
use fengqiao_node::store::{RANGE_ROWS_MAX, Reason};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::rows::differing;
use prost::Message as _;

use super::stand::{Standing, make};
use super::work::{Said, secret, text};

/// The file that says in which state a store was left.
const MARKER: &str = "store/state";

/// What was said before the stop, and how it is opened after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// In order.
    pub(crate) said: Vec<Said>,
    /// Boot id the folder is opened under.
    pub(crate) boot: String,
    /// The machine stopped too.
    pub(crate) power_cut: bool,
    /// Payloads of the journal as it was at the end of the recording, if it was recorded.
    pub(crate) records: Option<Arc<Vec<Vec<u8>>>>,
    /// Its files have rotted.
    pub(crate) rotten: bool,
    /// Whether it is opened once more after that.
    pub(crate) again: bool,
}

/// What a process says that has seen sled panic: it is not asked again.
pub(crate) const PANICKED: &str = "rebuilt after a panic";

/// What opening came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    /// No folder yet, and one can be made.
    Nothing,
    /// All there, the store believed.
    Believed,
    /// All there, the store set aside and built again.
    Rebuilt,
    /// The same, and only the sum of its rows had told.
    Incomplete,
    /// The same, and the storage engine panicked over what was set aside.
    Panicked,
    /// Only keys were there to look at.
    Keys,
}

impl Found {
    /// In one word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Found::Nothing => "nothing",
            Found::Believed => "believed",
            Found::Rebuilt => "rebuilt",
            Found::Incomplete => "rebuilt for its sum alone",
            Found::Panicked => PANICKED,
            Found::Keys => "keys",
        }
    }
}

/// Checks a folder.
pub(crate) fn check(folder: &Path, expected: &Expected) -> anyhow::Result<Found> {
    let keys_only = expected.said.iter().all(|said| {
        matches!(
            said,
            Said::Boot(_) | Said::Key(_) | Said::Erasing(_) | Said::Erased(_)
        )
    });
    if keys_only && expected.records.as_deref().is_some_and(Vec::is_empty) {
        return keys(folder, expected);
    }
    if let Err(FolderError::Absent { .. }) = Folder::open(folder) {
        ensure!(!expected.said.contains(&Said::Made), "the folder is gone");
        make(folder).context("a folder cannot be made again")?;
        Standing::open(folder, &expected.boot)?.close()?;
        return Ok(Found::Nothing);
    }
    let marker = std::fs::read_to_string(folder.join(MARKER)).unwrap_or_default();
    let had_store = folder.join("store/sled").exists();
    let standing = Standing::open(folder, &expected.boot).context("opening")?;
    believed_rightly(&standing, expected, had_store, &marker)?;
    journal_is_a_prefix(&standing, expected)?;
    store_follows_journal(&standing)?;
    everything_said_is_there(&standing, &expected.said)?;
    every_text_has_its_key(&standing)?;
    let reason = standing.quarantined.as_ref().map(|aside| &aside.reason);
    let found = match reason {
        None => Found::Believed,
        Some(Reason::Incomplete) => Found::Incomplete,
        Some(Reason::Panicked) => Found::Panicked,
        Some(_) => Found::Rebuilt,
    };

    let number = 999_999;
    let fresh = standing
        .register(&[text(number, 40)])
        .context("writing again")?;
    let fresh = fresh.first().context("an answer")?.clone();
    standing.close().context("closing")?;
    if expected.again {
        let standing = Standing::open(folder, "a boot after").context("opening again")?;
        ensure!(
            standing.quarantined.is_none(),
            "a store closed in order was set aside: {:?}",
            standing.quarantined
        );
        store_follows_journal(&standing).context("opened again")?;
        everything_said_is_there(&standing, &expected.said).context("opened again")?;
        let chain = chain_of(&standing, fresh.case)?;
        text_opens(&standing, fresh.case, &chain, &text(number, 40))?;
        standing.close()?;
    }
    Ok(found)
}

/// A store that was open when the machine stopped is not believed; one whose process died is.
fn believed_rightly(
    standing: &Standing,
    expected: &Expected,
    had_store: bool,
    marker: &str,
) -> anyhow::Result<()> {
    if expected.rotten {
        return Ok(());
    }
    let reason = standing.quarantined.as_ref().map(|aside| &aside.reason);
    let open = marker
        .lines()
        .nth(1)
        .is_some_and(|line| line.starts_with("open "));
    if expected.power_cut && had_store && open {
        ensure!(
            reason == Some(&Reason::MachineStopped),
            "a store that was open at the power cut: {reason:?}"
        );
    }
    if !expected.power_cut && !marker.is_empty() {
        let same_boot = !open || marker.contains(&format!("open {}\n", expected.boot));
        ensure!(
            !same_boot || reason.is_none(),
            "a store whose process was killed is set aside: {reason:?}"
        );
    }
    Ok(())
}

/// Whole records of what was written, in order, and after them only what this opening wrote.
fn journal_is_a_prefix(standing: &Standing, expected: &Expected) -> anyhow::Result<()> {
    let Some(records) = &expected.records else {
        return Ok(());
    };
    let reader = standing.node.views.reader();
    let mut alike = 0;
    let mut own = 0;
    for record in reader.tail(Position(0)) {
        let record = record.context("the journal")?;
        let same = records.get(alike) == Some(&record.payload);
        if own == 0 && same {
            alike += 1;
        } else {
            own += 1;
        }
    }
    ensure!(
        own == 1,
        "{own} records after the {alike} that were written before the stop"
    );
    Ok(())
}

fn store_follows_journal(standing: &Standing) -> anyhow::Result<()> {
    let views = &standing.node.views;
    let (reader, store) = (views.reader().as_ref(), views.store().as_ref());
    let differing = differing(&standing.node.me, reader, store).context("a rebuild")?;
    match differing.first() {
        None => Ok(()),
        Some(first) => bail!(
            "the store is not what the journal says: {} rows differ, the first: {first}",
            differing.len()
        ),
    }
}

fn everything_said_is_there(standing: &Standing, said: &[Said]) -> anyhow::Result<()> {
    for said in said {
        match said {
            Said::Case {
                case,
                entry,
                nth,
                characters,
            } => {
                let chain = chain_of(standing, *case)?;
                ensure!(
                    chain.tree.contains(entry),
                    "case {nth}, acknowledged, is lost"
                );
                text_opens(standing, *case, &chain, &text(*nth, *characters))?;
            }
            Said::Entry { case, entry } => {
                let chain = chain_of(standing, *case)?;
                ensure!(
                    chain.tree.contains(entry),
                    "entry {} of {case}, acknowledged, is lost",
                    entry.short()
                );
            }
            Said::Boot(_)
            | Said::Made
            | Said::Key(_)
            | Said::Erasing(_)
            | Said::Erased(_)
            | Said::Passed => {}
        }
    }
    Ok(())
}

/// Whatever is read is what was said; what cannot be read is an error and nothing else.
pub(crate) fn everything_read_is_right(standing: &Standing, said: &[Said]) -> anyhow::Result<()> {
    for said in said {
        let (Said::Case { case, entry, .. } | Said::Entry { case, entry }) = said else {
            continue;
        };
        let Ok(chain) = chain_of(standing, *case) else {
            continue;
        };
        ensure!(
            chain.tree.contains(entry),
            "{case} was read without its entry {}",
            entry.short()
        );
    }
    Ok(())
}

fn chain_of(standing: &Standing, case: ChainId) -> anyhow::Result<Chain> {
    let registry = standing.node.registry.load_full();
    standing
        .node
        .views
        .chain(&registry, case)
        .with_context(|| format!("chain {case}"))
}

/// A case that nobody acknowledged may stand or not; with a text that nobody can open it would be half there.
fn every_text_has_its_key(standing: &Standing) -> anyhow::Result<()> {
    let (lo, hi) = tables::prefixed(&tables::chains());
    for (key, value) in standing
        .node
        .views
        .store()
        .range(&lo, &hi, RANGE_ROWS_MAX)?
    {
        let row = ChainRow::decode(&value[..])?;
        let chain = key.get(1..).and_then(ChainId::from_bytes);
        let chain = chain.context("a chain's key")?;
        ensure!(
            row.kind() != pb::ChainKind::Case
                || standing.node.vault.key(chain, Part::Text).is_some(),
            "{chain} stands, and its key does not"
        );
    }
    Ok(())
}

fn text_opens(
    standing: &Standing,
    case: ChainId,
    chain: &Chain,
    written: &str,
) -> anyhow::Result<()> {
    let key = standing.node.vault.key(case, Part::Text);
    let key = key.with_context(|| format!("the key of {case}, acknowledged, is lost"))?;
    let standing = chain.standing();
    let (first, _) = standing.first().context("an empty chain")?;
    first.check_payloads(Part::Text, &key.salt)?;
    let sealed = first.signed.payloads.first().context("a text")?;
    let opened = payload::open(&key, case, sealed)?;
    let found = opened.texts.first().map(|text| text.text.as_str());
    ensure!(found == Some(written), "the text of {case} is another");
    Ok(())
}

fn keys(folder: &Path, expected: &Expected) -> anyhow::Result<Found> {
    if !folder.exists() {
        ensure!(expected.said.len() <= 1, "the key store is gone");
        return Ok(Found::Nothing);
    }
    let lock = FolderLock::acquire(folder)?;
    let opened = FileKeyStore::open(&lock).context("the key store")?;
    let mut store = opened.store;
    let (mut erasing, mut erased) = (BTreeSet::new(), BTreeSet::new());
    for said in &expected.said {
        if let Said::Erasing(nth) = said {
            erasing.insert(*nth);
        } else if let Said::Erased(nth) = said {
            erased.insert(*nth);
        }
    }
    for said in &expected.said {
        if let Said::Key(nth) = said {
            let (case, kept) = secret(*nth);
            let whole = store.get(&case) == Some(&kept);
            let gone = erasing.contains(nth) && store.is_erased(&case);
            ensure!(whole || gone, "key {nth}, acknowledged, is lost");
        }
    }
    let (case, kept) = secret(999_999);
    store
        .put_many(&[(case, kept.clone())])
        .context("writing again")?;
    drop(store);
    let store = FileKeyStore::open(&lock)?.store;
    ensure!(store.get(&case) == Some(&kept), "a new key is lost");
    for nth in &erased {
        let (case, gone) = secret(*nth);
        ensure!(store.is_erased(&case), "case {nth}, erased, is back");
        let key = gone.key.unwrap_or_default();
        for file in fengqiao_tests::city::files(folder) {
            let bytes = std::fs::read(&file)?;
            let found = bytes.windows(key.len()).any(|window| window == key);
            ensure!(!found, "key {nth}, erased, stands in {}", file.display());
        }
    }
    Ok(Found::Keys)
}

/// The payloads of the journal in a folder; none where there is no journal.
pub(crate) fn records_of(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    if !folder.join("journal").exists() {
        return Ok(Vec::new());
    }
    let lock = FolderLock::acquire(folder)?;
    let journal = FileJournal::open(&lock, Options::default())?.journal;
    let reader: Arc<dyn JournalReader> = journal.reader();
    let records = reader.tail(Position(0)).map(|record| Ok(record?.payload));
    records.collect()
}
