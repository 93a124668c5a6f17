//! Submissions and refusals: on their way to the custodian and back (PROTOCOL.md 12).

use fengqiao_hub::bounds::SUBMISSION_HOPS_MAX;
use fengqiao_hub::casework::{Act, Actor, CaseState};
use fengqiao_hub::centre;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PersonId, PlaceId, SubmissionId};
use fengqiao_hub::refusal::Code;
use fengqiao_hub::signed;
use fengqiao_hub::submission::Submission;
use fengqiao_proto::v1 as pb;
use pb::fact::Fact;
use prost::Message as _;

use super::EngineError;
use super::group::{Group, Owed};
use super::items::AUTHOR_AWAITED;
use super::loading::read_bytes;
use super::parking::Hindrance;
use super::writing::Writing;
use crate::replication::session::item_hash;
use crate::store::{Read as _, all_rows, tables};

impl Group<'_> {
    /// Writes a submission of this node's people and sends it towards the custodian.
    pub(crate) fn submit(
        &mut self,
        case: ChainId,
        actor: &Actor,
        act: Act,
        payloads: Vec<(Vec<u8>, Hash)>,
    ) -> Result<SubmissionId, EngineError> {
        let id = SubmissionId(self.vault.draw());
        let inner = pb::Submission {
            submission: id.to_vec(),
            deployment: self.me.deployment.to_vec(),
            case: case.to_vec(),
            author: self.me.at.node.to_vec(),
            body: pb::Body {
                judged_by: self.judged_by(pb::ChainKind::Case, case, &act.content),
                ..self.body(actor.person, act.content)
            }
            .encode_to_vec(),
            commitments: payloads
                .iter()
                .map(|(_, commitment)| commitment.to_vec())
                .collect(),
            incarnation: self.me.incarnation,
        };
        let sealed = payloads.into_iter().map(|(sealed, _)| sealed).collect();
        let bytes = Submission::sign(inner, sealed, &self.me.signing_key).encode_to_vec();
        self.keep_submission(&bytes, None)?;
        self.forward(case, &bytes)?;
        Ok(id)
    }

    /// A submission arrives: adopted where this centre is custodian, else passed on.
    pub(super) fn take_submission(
        &mut self,
        from: NodeId,
        bytes: &[u8],
    ) -> Result<Result<(), Hindrance>, EngineError> {
        let Ok(mut submission) = Submission::parse(bytes) else {
            return Ok(Err(Hindrance::Refused("MALFORMED")));
        };
        if submission.deployment != self.me.deployment {
            return Ok(Err(Hindrance::Refused("DEPLOYMENT")));
        }
        let registry = self.registry();
        let Some(author) = registry.node(submission.author) else {
            return Ok(Err(AUTHOR_AWAITED));
        };
        // Whoever may have forged it gets no refusal: that would end the author's own.
        if submission.check_signature(&author.signing_key).is_err() {
            return Ok(Err(Hindrance::Refused("SIGNATURE")));
        }
        if !author.is_trusted() {
            self.refuse(&submission, "REVOKED")?;
            return Ok(Err(Hindrance::Refused("REVOKED")));
        }
        if self
            .chain(submission.case)?
            .case
            .as_ref()
            .is_some_and(|case| case.submissions.contains(&submission.id))
        {
            return Ok(Ok(()));
        }
        if submission.signed.hops >= SUBMISSION_HOPS_MAX {
            self.refuse(&submission, "TOO_MANY_HOPS")?;
            return Ok(Ok(()));
        }
        submission.signed.hops += 1;
        let bytes = submission.signed.encode_to_vec();
        self.keep_submission(&bytes, Some(from))?;
        self.settle(&submission, &bytes)?;
        Ok(Ok(()))
    }

    /// Adopts, refuses or forwards a submission that waits here.
    pub(crate) fn settle(
        &mut self,
        submission: &Submission,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        let custodian = self.custodian_of(submission.case)?;
        if custodian != Some(self.me.at.place) || self.me.at.unit.is_some() {
            return self.forward(submission.case, bytes);
        }
        if self.gate(submission.case)?.is_err() {
            // It waits until the neighbours have said what they hold.
            return Ok(());
        }
        let registry = self.registry();
        let Some(author) = registry.node(submission.author) else {
            return Ok(());
        };
        let actor = centre::submitter(&submission.body.actor, author.place, author.unit);
        let Some(content) = submission.body.content.clone() else {
            return self.refuse(submission, Code::Malformed.as_str());
        };
        let chain = self.chain(submission.case)?.clone();
        let Some(case) = &chain.case else {
            return Ok(());
        };
        let known = CaseState {
            case,
            tree: &chain.tree,
        };
        let rules = self.rules_of(&chain);
        let adopted = centre::adopt(&self.view(&registry, &rules), &known, &content, &actor);
        let act = match adopted {
            Ok(act) => act,
            Err(refusal) => return self.refuse(submission, refusal.code.as_str()),
        };
        let payloads = submission
            .signed
            .payloads
            .iter()
            .cloned()
            .zip(submission.commitments.iter().copied())
            .collect();
        let writing = Writing {
            person: PersonId::from_bytes(&submission.body.actor),
            payloads,
            submission: Some(submission.id),
        };
        self.write(pb::ChainKind::Case, submission.case, act, writing)?;
        Ok(())
    }

    fn refuse(&mut self, submission: &Submission, code: &str) -> Result<(), EngineError> {
        self.fact(Fact::SubmissionEnded(pb::SubmissionEnded {
            submission: submission.id.to_vec(),
            code: code.to_owned(),
        }))?;
        if submission.author == self.me.at.node {
            return Ok(());
        }
        let refusal = pb::Refusal {
            submission: submission.id.to_vec(),
            case: submission.case.to_vec(),
            code: code.to_owned(),
            author: self.me.at.node.to_vec(),
            to: submission.author.to_vec(),
        };
        let bytes = signed::sign(&refusal, &self.me.signing_key);
        self.send_to_node(submission.author, pb::ItemKind::Refusal, &bytes)
    }

    /// A refusal arrives: for this node's own submission, or to be passed on.
    pub(super) fn take_refusal(
        &mut self,
        bytes: &[u8],
    ) -> Result<Result<(), Hindrance>, EngineError> {
        let refusal = match self.heard::<pb::Refusal>(bytes) {
            Ok((refusal, _)) => refusal,
            Err(hindrance) => return Ok(Err(hindrance)),
        };
        let to = NodeId::from_bytes(&refusal.to).unwrap_or_default();
        self.fact(Fact::SubmissionEnded(pb::SubmissionEnded {
            submission: refusal.submission.clone(),
            code: refusal.code.clone(),
        }))?;
        self.send_to_node(to, pb::ItemKind::Refusal, bytes)?;
        Ok(Ok(()))
    }

    /// Submissions that wait for a case whose custodian changed go their new way.
    pub(crate) fn resettle(&mut self, case: ChainId) -> Result<(), EngineError> {
        for (key, _) in all_rows(&self.overlay, &tables::submissions_of(case))? {
            let Some(id) = key.get(17..).and_then(SubmissionId::from_bytes) else {
                continue;
            };
            let Some(row) = self.overlay.get(&tables::submission(id))? else {
                continue;
            };
            let row = tables::SubmissionRow::decode(&row[..])
                .map_err(|_| EngineError::Unreadable("a submission"))?;
            let at = row.at.ok_or(EngineError::Unreadable("a submission"))?;
            let bytes = read_bytes(&self.record, self.reader, &at)?;
            if let Ok(submission) = Submission::parse(&bytes) {
                self.settle(&submission, &bytes)?;
            }
        }
        Ok(())
    }

    fn keep_submission(&mut self, bytes: &[u8], from: Option<NodeId>) -> Result<(), EngineError> {
        let (reference, _) = self.record.blob(bytes);
        self.fact(Fact::Kept(pb::ItemKept {
            kind: pb::ItemKind::Submission.into(),
            blob: Some(reference),
            link: from.map(|link| link.to_string()).unwrap_or_default(),
        }))
    }

    /// The neighbour through which a case's custodian is reached.
    pub(crate) fn way_of(&mut self, case: ChainId) -> Result<Option<NodeId>, EngineError> {
        let registry = self.registry();
        let custodian = self.custodian_of(case)?;
        // A department's node knows one way only; so does who does not know the custodian.
        Ok(match custodian {
            Some(custodian) if self.me.at.unit.is_none() => {
                self.me.at.towards(custodian, &registry)
            }
            Some(_) | None => self.me.at.up(&registry),
        })
    }

    fn forward(&mut self, case: ChainId, bytes: &[u8]) -> Result<(), EngineError> {
        let Some(link) = self.way_of(case)? else {
            return Ok(());
        };
        // Whoever it goes to on another way than its author's must be able to judge it.
        let author = Submission::parse(bytes).ok().map(|read| read.author);
        let registry = self.registry();
        let author = author.and_then(|author| registry.node(author));
        let places = author.map(|author| author.place).into_iter().collect();
        self.introduce_places(link, &places)?;
        self.owe_bytes(link, pb::Lane::Cases, pb::ItemKind::Submission, bytes, None)
    }

    /// Sends something to a node, or to whoever serves its place or unit after it; nothing when that is this node.
    fn send_to_node(
        &mut self,
        to: NodeId,
        kind: pb::ItemKind,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        let registry = self.registry();
        let Some(record) = registry.node(to) else {
            return Ok(());
        };
        let (place, unit) = (record.place, record.unit);
        let here = self.me.at;
        let link = if (place, unit) == (here.place, here.unit) {
            None
        } else if place == here.place && here.unit.is_none() {
            let below = here.down(&registry).into_iter();
            let serves = |link: &NodeId| registry.node(*link).is_some_and(|node| node.unit == unit);
            below.filter(|_| unit.is_some()).find(serves)
        } else {
            here.towards(place, &registry)
        };
        let Some(link) = link else { return Ok(()) };
        let (_, at) = self.record.blob(bytes);
        let item = Owed {
            kind,
            at,
            hash: item_hash(kind, bytes),
            secret_of: None,
            subject: None,
        };
        self.owe(link, pb::Lane::Cases, item)
    }

    /// The custodian of a case as known here, by its chain or by its notice.
    pub(crate) fn custodian_of(&mut self, case: ChainId) -> Result<Option<PlaceId>, EngineError> {
        if let Some(custody) = self.chain(case)?.tree.custody() {
            return Ok(Some(custody.custodian));
        }
        let notice = self.overlay.get(&tables::notice(case))?;
        Ok(notice
            .as_deref()
            .and_then(signed::kept::<pb::Notice>)
            .and_then(|notice| PlaceId::from_bytes(&notice.custodian)))
    }
}
