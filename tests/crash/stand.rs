//! A node stood up from a data folder by the code that ships: folder, guarded store, journal, key store, engine.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use fengqiao_hub::id::{ChainId, Hash};
use fengqiao_node::cli::bundle::shipped;
use fengqiao_node::config::{Config, Overrides};
use fengqiao_node::engine::{Administration, Caller, CaseMove};
use fengqiao_node::enrolment::{InitOptions, init};
use fengqiao_node::folder::Folder;
use fengqiao_node::node::Node;
use fengqiao_node::node::clock::Clock;
use fengqiao_node::node::opening::{FIRST_LOGIN, Opener};
use fengqiao_node::node::pool::Pool;
use fengqiao_node::store::{Opening, Quarantined, Settings, SledStore, open_guarded};
use fengqiao_node::trust::random::{OsRandom, draw};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use prost::Message as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Smallest that the journal takes, so that segments turn over soon.
const SEGMENT_BYTES: &str = "1048576";
const SETTINGS: Settings = Settings {
    cache_bytes: 1 << 20,
};

/// What every node of this process shares.
struct Shared {
    pool: Pool,
    config: Config,
    runtime: Runtime,
}

fn shared() -> anyhow::Result<&'static Shared> {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared);
    }
    let small = Overrides::new()
        .set("--set", "journal.segment_bytes", SEGMENT_BYTES)
        .set("--set", "journal.group_bytes_max", SEGMENT_BYTES);
    let made = Shared {
        pool: Pool::start(1)?,
        config: Config::load(None, std::iter::empty(), &small)?,
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    Ok(SHARED.get_or_init(|| made))
}

/// Where this process waits for what comes later.
pub(crate) fn runtime() -> anyhow::Result<&'static Runtime> {
    Ok(&shared()?.runtime)
}

/// Makes a deployment and the folder of its first node.
pub(crate) fn make(folder: &Path) -> anyhow::Result<()> {
    let options = InitOptions {
        name: "德城区".to_owned(),
        code: "371402".to_owned(),
        level: 40,
        deployment: None,
        rulebook: shipped(),
    };
    init(folder, &options, Clock::System.now(), &mut OsRandom)?;
    Ok(())
}

/// A case that was registered, and the text it was registered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) case: ChainId,
    pub(crate) entry: String,
}

/// An open node.
pub(crate) struct Standing {
    pub(crate) node: Arc<Node>,
    pub(crate) quarantined: Option<Quarantined>,
    store: SledStore,
    // After the node: it holds the folder's lock too.
    folder: Folder,
}

impl Standing {
    /// Opens a folder under a boot id.
    pub(crate) fn open(path: &Path, boot: &str) -> anyhow::Result<Self> {
        let folder = Folder::open(path).context("the folder")?;
        let opening = Opening {
            unix_s: 1_700_000_000,
            boot_id: boot.to_owned(),
        };
        let opened = open_guarded(&path.join("store"), SETTINGS, &opening).context("the store")?;
        let shared = shared()?;
        let opener = Opener {
            clock: Clock::System,
            pool: shared.pool.clone(),
            chains_held_max: 64,
        };
        let store = Arc::new(opened.store.clone());
        let node = opener.open(&folder, &shared.config, store, &mut |_, _| {})?;
        Ok(Self {
            node,
            quarantined: opened.quarantined,
            store: opened.store,
            folder,
        })
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Registers cases at once, so that they may share a record.
    pub(crate) fn register(&self, texts: &[String]) -> anyhow::Result<Vec<Registered>> {
        let moves = texts.iter().map(|text| CaseMove {
            case: None,
            action: moves::register(moves::intake(pb::Channel::Window, "disputes-neighbours")),
            content: Some(pb::PrivateContent {
                requester: None,
                texts: vec![pb::PrivateText {
                    role: "text".to_owned(),
                    text: text.clone(),
                }],
            }),
            linked: true,
            contact: fengqiao_hub::clock::Contact::Here,
        });
        self.act(moves.collect())
    }

    /// One move on a case.
    pub(crate) fn carry_out(
        &self,
        case: ChainId,
        command: pb::Action,
    ) -> anyhow::Result<Registered> {
        let what = CaseMove {
            case: Some(case),
            action: command,
            content: None,
            linked: true,
            contact: fengqiao_hub::clock::Contact::Here,
        };
        let mut answers = self.act(vec![what])?;
        answers.pop().context("no answer")
    }

    fn act(&self, moves: Vec<CaseMove>) -> anyhow::Result<Vec<Registered>> {
        shared()?.runtime.block_on(async {
            let mut waiting = JoinSet::new();
            for (index, what) in moves.into_iter().enumerate() {
                let node = Arc::clone(&self.node);
                waiting.spawn(async move {
                    (
                        index,
                        node.act(fresh_id(), Hash::default(), caller(), what).await,
                    )
                });
            }
            let mut answers = waiting.join_all().await;
            answers.sort_by_key(|(index, _)| *index);
            let answers = answers.into_iter().map(|(_, answer)| answer);
            answers.map(|answer| registered(&answer?)).collect()
        })
    }

    /// Something administrative.
    pub(crate) fn administer(&self, what: Administration) -> anyhow::Result<Vec<u8>> {
        let waiting = self
            .node
            .administer(fresh_id(), Hash::default(), caller(), what);
        Ok(shared()?.runtime.block_on(waiting)?)
    }

    /// Stops in order: what is left is a clean store.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let Self {
            node,
            store,
            folder: _folder,
            ..
        } = self;
        // The worker that has just answered lets go a moment later.
        while Arc::strong_count(&node) > 1 {
            std::thread::yield_now();
        }
        node.vouch();
        drop(node);
        Ok(store.close()?)
    }
}

fn registered(answer: &[u8]) -> anyhow::Result<Registered> {
    let answer = pb::ActResponse::decode(answer)?;
    let case = answer.case.parse();
    Ok(Registered {
        case: case.map_err(|_| anyhow::anyhow!("an answer without a case"))?,
        entry: answer.entry,
    })
}

fn caller() -> Caller {
    Caller {
        login: FIRST_LOGIN.to_owned(),
    }
}

/// Never the same twice, in any process.
fn fresh_id() -> String {
    let bytes: [u8; 10] = draw(&mut OsRandom).unwrap_or_default();
    fengqiao_hub::id::base32(&bytes)
}
