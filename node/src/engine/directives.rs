//! Directives: issued here, acknowledged here, counted upwards.

use fengqiao_hub::casework::{Act, Actor};
use fengqiao_hub::directive;
use fengqiao_hub::entry::Move;
use fengqiao_hub::id::{ChainId, PlaceId};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::signed;
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::fact::Fact;

use super::EngineError;
use super::group::Group;
use super::requests::{Answer, Answered, accept};
use super::writing::Writing;
use crate::store::{Read as _, tables};

impl Group<'_> {
    /// Issues a directive to the centres below.
    pub(crate) fn issue_directive(
        &mut self,
        actor: &Actor,
        issued: pb::DirectiveIssued,
        text: Option<&pb::PrivateContent>,
    ) -> Answered {
        if self.me.at.unit.is_some() {
            // A department's node writes no entry: nobody above would take it.
            return Ok(Err(Refusal::of(Code::NotCustodian, "")));
        }
        if !actor.roles.contains(&pb::Role::Leader) {
            return Ok(Err(Refusal::of(Code::RoleMissing, "").because("leader")));
        }
        let registry = self.registry();
        let scope = issued.scope.iter().map(|place| PlaceId::from_bytes(place));
        for place in scope {
            if !place.is_some_and(|place| registry.is_above(self.me.at.place, place)) {
                return Ok(Err(Refusal::of(Code::PlaceUnknown, "scope")));
            }
        }
        if issued.due_ms != 0 && issued.due_ms < self.now.0 {
            return Ok(Err(Refusal::of(Code::DueBeforeStart, "due_ms")));
        }
        let chain = ChainId::drawn(pb::ChainKind::Directive, self.vault.draw());
        self.draw_secrets(chain, text);
        let payloads = accept!(self.seal(chain, text));
        let act = Act {
            content: Content::from(issued),
            mv: Move::None,
            kind_class: pb::KindClass::Opening,
        };
        let writing = Writing {
            person: actor.person,
            payloads,
            submission: None,
        };
        self.write(pb::ChainKind::Directive, chain, act, writing)?;
        Ok(Ok(Answer::of(&pb::IssueDirectiveResponse {
            directive: chain.to_string(),
        })))
    }

    /// Acknowledges a directive at this centre, or reports that it was carried out.
    pub(crate) fn answer_directive(
        &mut self,
        actor: &Actor,
        id: ChainId,
        executed: bool,
    ) -> Answered {
        if !actor
            .roles
            .iter()
            .any(|role| matches!(role, pb::Role::Clerk | pb::Role::Leader))
        {
            return Ok(Err(
                Refusal::of(Code::RoleMissing, "").because("clerk | leader")
            ));
        }
        let registry = self.registry();
        let issued = self
            .chain(id)?
            .entries
            .values()
            .find_map(|(entry, _)| directive::issued(entry.body.content.as_ref()).cloned());
        if !issued.is_some_and(|issued| directive::addresses(&issued, self.me.at.place, &registry))
        {
            return Ok(Err(Refusal::of(Code::DirectiveUnknown, "directive")));
        }
        let own = pb::DirectiveCount {
            acknowledged: vec![self.me.at.place.to_vec()],
            reported: if executed {
                vec![self.me.at.place.to_vec()]
            } else {
                Vec::new()
            },
            ..Default::default()
        };
        self.count_directive(id, |count| directive::merged(count, &own))?;
        Ok(Ok(Answer::of(&pb::AnswerDirectiveResponse {})))
    }

    /// Changes this place's count of a directive; the new version goes up.
    pub(crate) fn count_directive(
        &mut self,
        id: ChainId,
        change: impl FnOnce(&pb::DirectiveCount) -> Option<pb::DirectiveCount>,
    ) -> Result<(), EngineError> {
        let row = self
            .overlay
            .get(&tables::directive_count(id, self.me.at.place))?;
        let known = row.and_then(|row| signed::kept::<pb::DirectiveCount>(&row));
        let known = known.unwrap_or_else(|| pb::DirectiveCount {
            directive: id.to_vec(),
            place: self.me.at.place.to_vec(),
            ..Default::default()
        });
        // A backup holds what the node before this one had counted; what goes on from there is said by this one.
        let known = pb::DirectiveCount {
            node: self.me.at.node.to_vec(),
            ..known
        };
        let Some(changed) = change(&known) else {
            return Ok(());
        };
        let bytes = signed::sign(&changed, &self.me.signing_key);
        let issuer = self
            .chain(id)?
            .tree
            .custody()
            .map(|custody| custody.custodian);
        if issuer == Some(self.me.at.place) {
            let (reference, _) = self.record.blob(&bytes);
            return self.fact(Fact::Kept(pb::ItemKept {
                kind: pb::ItemKind::DirectiveCount.into(),
                blob: Some(reference),
                link: String::new(),
            }));
        }
        self.keep_and_send_up(
            pb::ItemKind::DirectiveCount,
            pb::Lane::Control,
            &bytes,
            None,
        )
    }
}
