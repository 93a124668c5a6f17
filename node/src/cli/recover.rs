//! `fengqiao recover`: a lost machine's place gets its next node, with what a backup holds or with nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use fengqiao_hub::clock::Moment;
use fengqiao_hub::id::{ChainId, DeploymentId, PersonId, StoreId};
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::ground::{Failed, Ground, clock_of, data_of, say};
use super::join::{JoinArgs, join_by};
use crate::engine::Me;
use crate::enrolment::{TopRecovery, introduce, knows_as_much, recover_at_the_top};
use crate::folder::{Folder, FolderError, Glance, OlderCopy, Restored};
use crate::journal::{Beside, JournalReader};
use crate::node::opening::registry_and_views;
use crate::replication::route::Standpoint;
use crate::trust::AuthorityKey;
use crate::trust::keys::PublicKey;
use crate::trust::random::OsRandom;

/// `recover`
#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    #[command(flatten)]
    by_parent: JoinArgs,
    /// At the top, in place of --parent and an invitation: file of the deployment's root key
    #[arg(long, value_name = "FILE", conflicts_with = "parent")]
    root_key: Option<PathBuf>,
    /// At the top: a leader who approves, by login or by person; two are needed
    #[arg(long, value_name = "LOGIN", requires = "root_key")]
    approved_by: Vec<String>,
    /// At the top: enrol port of a node below, which knows the registry as it was last; may be given often
    #[arg(long, value_name = "HOST:PORT", requires = "root_key")]
    witness: Vec<String>,
}

/// Gives a restored folder its new identity, or makes a new one for a lost node's place.
///
/// # Errors
/// Why it was not done; a restored folder is as it was then.
pub(super) fn recover(args: RecoverArgs, ground: &Ground) -> Result<(), Failed> {
    let data = data_of(ground)?;
    let recovered = match &args.root_key {
        Some(root_key) => at_the_top(&args, root_key, &data)?,
        None => Recovered {
            folder: join_by(args.by_parent, &data, true)?,
            approvers: Vec::new(),
            words: Vec::new(),
        },
    };
    let identity = &recovered.folder.identity;
    let object = serde_json::json!({
        "node": identity.node.to_string(), "place": identity.place.to_string(), "name": identity.place_name,
        "incarnation": identity.incarnation, "generation": identity.generation,
        "approved_by": recovered.approvers.iter().map(|approver| serde_json::json!({
            "person": approver.person.to_string(), "login": approver.login,
        })).collect::<Vec<_>>(),
        "words": recovered.words.iter().map(|(english, _)| english).collect::<Vec<_>>(),
        "words_zh": recovered.words.iter().map(|(_, chinese)| chinese).collect::<Vec<_>>(),
    });
    let mut text = format!(
        "recovered: {} goes on as node {}, generation {}\n\
         已恢复：{} 以节点 {} 继续，第 {} 次更替\n",
        identity.place_name,
        identity.node,
        identity.generation,
        identity.place_name,
        identity.node,
        identity.generation
    );
    for approver in &recovered.approvers {
        let (login, person) = (&approver.login, approver.person);
        text += &format!("approved by 批准人: {login} {person}\n");
    }
    for (english, chinese) in &recovered.words {
        text += &format!("! {english}\n! {chinese}\n");
    }
    text += &format!(
        "Cases begun before wait until the neighbours have said what they hold; new ones may be registered at once.\n\
         恢复前的诉求件须等上下级节点告知所存后方可继续办理；新诉求可以立即登记。\n\
         next: fengqiao run --data {}, then fengqiao status",
        data.display()
    );
    say(ground.json, &object, &text);
    Ok(())
}

fn at_the_top(args: &RecoverArgs, root_key: &Path, data: &Path) -> Result<Recovered, Failed> {
    let [first, second] = &args.approved_by[..] else {
        return Err(two_persons(
            "two persons must approve: give --approved-by twice",
            "须由两名不同人员批准（--approved-by 两次）",
        ));
    };
    let now = clock_of(args.by_parent.clock()).now();
    let key = *AuthorityKey::load(root_key)
        .map_err(crate::folder::FolderError::from)?
        .public();
    let mut words = Vec::new();
    let own = journal_of(data)?
        .map(|me| read_journal(data, &me, &key))
        .transpose()?;
    let approvers = match &own {
        Some(own) => [own.leader(first)?, own.leader(second)?],
        None => {
            words.push(word(
                "the approvers are written down as given: without a backup there are no accounts to compare them with",
                "批准人按所给内容记载：没有备份，无法与账号核对",
            ));
            [unchecked(first)?, unchecked(second)?]
        }
    };
    if approvers[0].person == approvers[1].person {
        return Err(two_persons(
            "approved-by: the same person twice",
            "两次 --approved-by 为同一人",
        ));
    }
    if args.witness.is_empty() {
        words.push(word(
            "WITHOUT A WITNESS the registry is taken as this machine has it. Where a county knows a longer one, the two fork and its links stay down: name each county that answers with --witness HOST:7444",
            "没有见证节点：登记册以本机所存为准。如有县级节点存有更新的登记册，两者将分叉，其链路将无法连通：请用 --witness 主机:7444 指明每个可连通的县级节点",
        ));
    }
    let told = told_by(&args.witness, &key, now)?;
    let is_marked = OlderCopy::read(data)?.found.is_some();
    if let (Some(own), Ok(folder), false) = (&own, Folder::open(data), is_marked)
        && knows_as_much(&own.registry, &told, &key)?
    {
        words.push(word(
            "nothing was recovered: the folder has its identity, and nobody named here knows more of it. Where it is an older copy all the same, start it: its neighbours say so, and then it can be recovered",
            "未作恢复：目录已有身份，所列节点均不掌握更新的记录。如仍为旧副本，请先启动，上下级会指出，随后即可恢复",
        ));
        return Ok(Recovered {
            folder,
            approvers: Vec::new(),
            words,
        });
    }
    let mut known = told;
    known.extend(own.map(|own| own.registry));
    let recovery = TopRecovery {
        path: data,
        root_key_file: root_key,
        known,
        approved_by: [approvers[0].person, approvers[1].person],
    };
    Ok(Recovered {
        folder: recover_at_the_top(&recovery, now, &mut OsRandom)?,
        approvers: approvers.into(),
        words,
    })
}

/// What a recovery came to.
struct Recovered {
    folder: Folder,
    /// At the top: who has approved.
    approvers: Vec<Approver>,
    /// What the person who did it must hear, English and Chinese.
    words: Vec<(String, String)>,
}

fn word(english: &str, chinese: &str) -> (String, String) {
    (english.to_owned(), chinese.to_owned())
}

/// One who approves.
struct Approver {
    person: PersonId,
    /// Empty where there is no account to be found by.
    login: String,
}

fn unchecked(text: &str) -> Result<Approver, Failed> {
    let person = text.parse::<PersonId>().map_err(|_| {
        two_persons(
            &format!(
                "approved-by: {text} is no person's id, and without a backup no login is known"
            ),
            &format!("{text} 不是人员标识；没有备份时无法按账号查找"),
        )
    })?;
    Ok(Approver {
        person,
        login: String::new(),
    })
}

/// What the registries of nodes below say of the first place.
fn told_by(
    witnesses: &[String],
    key: &PublicKey,
    now: Moment,
) -> Result<Vec<Vec<pb::SignedEntry>>, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    let mut all = Vec::new();
    for address in witnesses {
        let asked = introduce(address, None, Vec::new(), key.fingerprint(), now);
        let told = runtime.block_on(asked)?;
        let read = |bytes: &Vec<u8>| pb::SignedEntry::decode(&bytes[..]);
        let entries: Result<Vec<_>, _> = told.registry.iter().map(read).collect();
        all.push(entries.map_err(anyhow::Error::new)?);
    }
    Ok(all)
}

fn two_persons(english: &str, chinese: &str) -> Failed {
    Failed::usage("RECOVER_APPROVAL", english, chinese)
}

/// Whose journal stands in a folder, restored or with an identity; `None` where none stands.
fn journal_of(data: &Path) -> Result<Option<(Standpoint, DeploymentId)>, Failed> {
    if let Some(restored) = Restored::read(data)? {
        let at = Standpoint {
            node: restored.node,
            place: restored.place,
            unit: restored.unit,
        };
        return Ok(Some((at, restored.deployment)));
    }
    let identity = match Glance::at(data) {
        Ok(glance) => glance.identity,
        Err(FolderError::Absent { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let at = Standpoint {
        node: identity.node,
        place: identity.place,
        unit: identity.unit,
    };
    Ok(Some((at, identity.deployment)))
}

/// What a journal tells of the first place: its registry, and who has an account there.
struct Journalled {
    registry: Vec<pb::SignedEntry>,
    accounts: Vec<pb::AccountSet>,
}

fn read_journal(
    data: &Path,
    (at, deployment): &(Standpoint, DeploymentId),
    root_key: &PublicKey,
) -> Result<Journalled, Failed> {
    let reader: Arc<dyn JournalReader> = Beside::look(data).map_err(anyhow::Error::new)?.reader();
    // Whoever reads a journal from its beginning does so as the node that wrote it; nothing is signed here.
    let me = Me {
        at: *at,
        deployment: *deployment,
        store: StoreId::default(),
        incarnation: 1,
        generation: 1,
        signing_key: ed25519_dalek::SigningKey::from_bytes(&[0; 32]),
        root_key: *root_key.verifying_key(),
    };
    let (registry, views, _) =
        registry_and_views(data, &me, &reader).map_err(anyhow::Error::new)?;
    let chain = views.chain(&registry, ChainId::of_place(at.place));
    let standing = chain.map_err(anyhow::Error::new)?.standing();
    let registry = standing
        .iter()
        .map(|(entry, _)| entry.signed.clone())
        .collect();
    Ok(Journalled {
        registry,
        accounts: views.accounts().map_err(anyhow::Error::new)?,
    })
}

impl Journalled {
    /// An open leader's account, by its login or its person.
    fn leader(&self, named: &str) -> Result<Approver, Failed> {
        let person = named.parse::<PersonId>().ok().map(PersonId::to_vec);
        let account = self
            .accounts
            .iter()
            .find(|account| account.login == named || Some(&account.person) == person.as_ref());
        let refused = |english: String, chinese: String| Err(two_persons(&english, &chinese));
        let Some(account) = account else {
            return refused(
                format!("approved-by: no account {named} in this journal"),
                format!("本机日志中没有账号 {named}"),
            );
        };
        let leads = account.roles.contains(&i32::from(pb::Role::Leader));
        if account.closed || !leads {
            return refused(
                format!("approved-by: {named} is not an open account with the role leader"),
                format!("{named} 不是有效的负责人账号"),
            );
        }
        let unreadable = || anyhow::anyhow!("the account {named} does not read");
        Ok(Approver {
            person: PersonId::from_bytes(&account.person).ok_or_else(unreadable)?,
            login: account.login.clone(),
        })
    }
}
