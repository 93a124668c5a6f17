//! What a centre's administrators and newcomers want written: places, units, accounts, invitations, enrolments.

use std::sync::Arc;

use fengqiao_hub::casework::{Actor, role_name};
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, NodeId, PersonId, PlaceId, UnitId, base32};
use fengqiao_hub::name;
use fengqiao_hub::rank::level;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use pb::fact::Fact;

use super::fields::{code_of, name_of};
use super::group::Group;
use super::requests::{Administration, Answer, Answered, Asked, Request, Told, accept};
use super::{EngineError, Output, Ticket};
use crate::enrolment::{EnrolRefusal, revoked};
use crate::store::{Read as _, tables};
use crate::trust::Code as CertificateCode;

/// Most places added in one record.
const PLACES_MAX: usize = 1_000;

impl Group<'_> {
    /// Carries out an administrative request, or refuses it with nothing changed.
    pub(crate) fn administer(&mut self, request: Request<Administration>) -> Told {
        if let Administration::Bootstrap(entries) = &request.what {
            return self.bootstrap(entries);
        }
        let founding = matches!(
            request.what,
            Administration::SetAccount(_) | Administration::Waive(_)
        );
        let actor = match self.actor(&request.caller)? {
            Err(refusal) if founding => self.founder(&request.caller)?.ok_or(refusal),
            known => known,
        };
        let actor = accept!(actor);
        if let Administration::ImportRows(rows) = request.what {
            return self.import_rows(&actor, rows);
        }
        if let Administration::Look(looked) = request.what {
            return self.look(&actor, looked);
        }
        let asked = Asked::of(&request);
        if let Some(answer) = self.repeated(&asked)? {
            return Ok(answer);
        }
        let answer = match request.what {
            Administration::IssueDirective(issued, text) => {
                self.issue_directive(&actor, issued, text.as_ref())?
            }
            Administration::AnswerDirective(id, executed) => {
                self.answer_directive(&actor, id, executed)?
            }
            Administration::IssueBundle { issued, dry_run } => {
                let answer = self.issue_bundle(&actor, issued, dry_run)?;
                if dry_run {
                    return Ok(answer.map(Answer::unkept));
                }
                answer
            }
            Administration::Waive(link) => self.waive(&actor, link)?,
            Administration::Bootstrap(_)
            | Administration::ImportRows(_)
            | Administration::Look(_) => {
                return Ok(Ok(Vec::new()));
            }
            other @ (Administration::AddPlaces(_)
            | Administration::AddUnit(_)
            | Administration::RenamePlace { .. }
            | Administration::RenameUnit(..)
            | Administration::EndUnit(_)
            | Administration::SetAccount(_)
            | Administration::RotateToken(_)
            | Administration::RevokeToken(_)
            | Administration::Invite { .. }
            | Administration::EndPlace { .. }
            | Administration::MovePlace(_)
            | Administration::RevokeInvitation(_)
            | Administration::Revoke(_)
            | Administration::PrepareRenewal(_)
            | Administration::RenewRoot(_)
            | Administration::ImportEntries(_)) => {
                if !actor.roles.contains(&pb::Role::Administrator) {
                    return Ok(Err(Refusal::of(Code::RoleMissing, "")
                        .because(role_name(pb::Role::Administrator))));
                }
                self.manage(&actor, other)?
            }
        };
        let answer = accept!(answer);
        self.answered(asked, answer).map(Ok)
    }

    fn manage(&mut self, actor: &Actor, what: Administration) -> Answered {
        // Writes nothing of its own: also a node that is recovering takes them.
        if let Administration::ImportEntries(entries) = &what {
            return self.import_entries(entries);
        }
        let of_accounts = matches!(
            what,
            Administration::SetAccount(_)
                | Administration::RotateToken(_)
                | Administration::RevokeToken(_)
        );
        if self.me.at.unit.is_some() && !of_accounts {
            return Ok(Err(Refusal::of(Code::NotCustodian, "")));
        }
        let written = if of_accounts {
            ChainId::administration_of(self.me.at.place, self.me.at.unit)
        } else {
            ChainId::of_place(self.me.at.place)
        };
        let lost = if let Administration::Invite {
            place,
            unit,
            successor: true,
            ..
        } = &what
        {
            self.serving(*place, *unit)
        } else {
            None
        };
        accept!(self.gate_but(written, lost)?);
        match what {
            Administration::AddPlaces(places) => self.add_places(actor, &places),
            Administration::AddUnit(unit) => self.add_unit(actor, &unit),
            Administration::RenamePlace { place, name, code } => {
                self.rename_place(actor, place, &name, &code)
            }
            Administration::RenameUnit(unit, name) => self.rename_unit(actor, unit, &name),
            Administration::EndUnit(unit) => self.end_unit(actor, unit),
            Administration::SetAccount(change) => self.set_account(actor, &change),
            Administration::RotateToken(login) => self.rotate_token(actor, &login),
            Administration::RevokeToken(login) => self.revoke_token(actor, &login),
            Administration::Invite {
                place,
                unit,
                hours,
                successor,
            } => self.invite(place, unit, hours, successor),
            Administration::RevokeInvitation(id) => self.revoke_invitation(id),
            Administration::Revoke(node) => self.revoke(actor, node),
            Administration::EndPlace { place, successor } => {
                self.end_place(actor, place, successor)
            }
            Administration::MovePlace(wanted) => self.move_place(actor, &wanted),
            Administration::PrepareRenewal(approved_by) => self.prepare_renewal(&approved_by),
            Administration::RenewRoot(entry) => self.renew_root(&Arc::new(*entry)),
            Administration::IssueDirective(..)
            | Administration::IssueBundle { .. }
            | Administration::AnswerDirective(..)
            | Administration::Waive(_)
            | Administration::ImportEntries(_)
            | Administration::ImportRows(_)
            | Administration::Look(_)
            | Administration::Bootstrap(_) => Ok(Err(Refusal::of(Code::NotCustodian, ""))),
        }
    }

    /// Writes down who is about to be shown what. No request id: who looks twice has looked twice.
    fn look(&mut self, actor: &Actor, looked: pb::Looked) -> Told {
        let change = pb::AccessChange {
            change: Some(pb::access_change::Change::Looked(looked)),
        };
        let chain = ChainId::access_of(self.me.at.node);
        self.write_own(
            pb::ChainKind::Access,
            chain,
            actor.person,
            Content::Access(change),
        )?;
        Ok(Ok(Vec::new()))
    }

    fn bootstrap(&mut self, entries: &[Vec<u8>]) -> Told {
        for bytes in entries {
            let entry = Entry::parse(bytes)
                .map_err(|_| EngineError::Unreadable("a registry entry of the folder"))?;
            let entry = Arc::new(entry);
            if self.chain(entry.chain)?.tree.contains(&entry.hash) {
                continue;
            }
            self.keep_entry(&entry, bytes, None)?;
        }
        Ok(Ok(Vec::new()))
    }

    /// Opens this place's registry chain before its first entry, except the first place's, which the root key opened.
    pub(crate) fn registry_entry(
        &mut self,
        person: Option<PersonId>,
        content: Content,
    ) -> Result<Arc<Entry>, EngineError> {
        let chain = ChainId::of_place(self.me.at.place);
        if self.chain(chain)?.tree.is_empty() {
            let opened = Content::from(pb::RegistryOpened {
                place: self.me.at.place.to_vec(),
            });
            self.write_own(pb::ChainKind::Registry, chain, None, opened)?;
        }
        self.write_own(pb::ChainKind::Registry, chain, person, content)
    }

    fn add_places(&mut self, actor: &Actor, wanted: &[pb::AddPlaceRequest]) -> Answered {
        if wanted.is_empty() || wanted.len() > PLACES_MAX {
            return Ok(Err(
                Refusal::of(Code::OutOfRange, "places").because(format!("1-{PLACES_MAX}"))
            ));
        }
        let mut fresh: Vec<(PlaceId, pb::AddPlaceRequest)> = Vec::new();
        let mut ids = Vec::new();
        for place in wanted {
            let place = pb::AddPlaceRequest {
                name: accept!(name_of(&place.name)),
                code: accept!(code_of(&place.code)),
                ..place.clone()
            };
            match accept!(self.place_to_add(&place, &fresh)) {
                Ok(standing) => ids.push(standing.to_string()),
                Err(id) => {
                    ids.push(id.to_string());
                    fresh.push((id, place));
                }
            }
        }
        for (id, place) in fresh {
            let content = Content::from(pb::PlaceAdded {
                place: id.to_vec(),
                code: place.code,
                name: place.name,
                level: place.level,
            });
            self.registry_entry(actor.person, content)?;
        }
        Ok(Ok(Answer::of(&pb::AddPlacesResponse { places: ids })))
    }

    /// The id of a place that stands already (`Ok`), or of one to be added (`Err`) beside those of the same request.
    fn place_to_add(
        &self,
        wanted: &pb::AddPlaceRequest,
        fresh: &[(PlaceId, pb::AddPlaceRequest)],
    ) -> Result<Result<PlaceId, PlaceId>, Refusal> {
        let registry = &self.state.registry;
        let own = registry
            .place(self.me.at.place)
            .map_or(0, |place| place.level);
        if wanted.level <= own || wanted.level > level::VILLAGE {
            return Err(Refusal::of(Code::OutOfRange, "level").because(format!(
                "{}-{}",
                own + 1,
                level::VILLAGE
            )));
        }
        let asked = match wanted.place.as_str() {
            "" => None,
            text => Some(
                text.parse::<PlaceId>()
                    .map_err(|_| Refusal::of(Code::Malformed, "place"))?,
            ),
        };
        let children = registry
            .children(self.me.at.place)
            .iter()
            .filter_map(|child| registry.place(*child));
        for child in children {
            let same = child.name == wanted.name
                && child.code == wanted.code
                && child.level == wanted.level;
            if same && asked.is_none_or(|asked| asked == child.id) {
                return Ok(Ok(child.id));
            }
            if !wanted.code.is_empty() && child.code == wanted.code {
                let stands = format!("{} {}", child.name, child.code);
                return Err(Refusal::of(Code::NameTaken, "code").because(stands));
            }
            if child.ended.is_none() && name::likeness(&child.name) == name::likeness(&wanted.name)
            {
                let stands = format!("{} {}", child.name, child.code);
                return Err(Refusal::of(Code::NameTaken, "name").because(stands));
            }
        }
        for (_, other) in fresh {
            let field = if !wanted.code.is_empty() && other.code == wanted.code {
                "code"
            } else if name::likeness(&other.name) == name::likeness(&wanted.name) {
                "name"
            } else {
                continue;
            };
            let stands = format!("{} {}", other.name, other.code);
            return Err(Refusal::of(Code::NameTaken, field).because(stands));
        }
        match asked {
            Some(id) if registry.place(id).is_some() => Err(Refusal::of(Code::NameTaken, "place")),
            Some(id) => Ok(Err(id)),
            None => Ok(Err(PlaceId(self.vault.draw()))),
        }
    }

    fn add_unit(&mut self, actor: &Actor, wanted: &pb::AddUnitRequest) -> Answered {
        let name = accept!(name_of(&wanted.name));
        if wanted.kind() == pb::UnitKind::Unspecified {
            return Ok(Err(Refusal::of(Code::Empty, "kind")));
        }
        let registry = self.registry();
        if let Some(standing) = registry
            .units_of(self.me.at.place)
            .find(|unit| unit.name == name)
        {
            return Ok(Ok(Answer::of(&pb::AddUnitResponse {
                unit: standing.id.to_string(),
            })));
        }
        if let Some(twin) = registry
            .units_of(self.me.at.place)
            .find(|unit| name::likeness(&unit.name) == name::likeness(&name))
        {
            return Ok(Err(
                Refusal::of(Code::NameTaken, "name").because(twin.name.clone())
            ));
        }
        let unit = UnitId(self.vault.draw());
        let content = Content::from(pb::UnitAdded {
            unit: unit.to_vec(),
            name,
            kind: wanted.kind,
            presence: wanted.presence,
        });
        self.registry_entry(actor.person, content)?;
        Ok(Ok(Answer::of(&pb::AddUnitResponse {
            unit: unit.to_string(),
        })))
    }

    /// The node that serves a centre, or a unit, now.
    pub(super) fn serving(&self, place: PlaceId, unit: Option<UnitId>) -> Option<NodeId> {
        let last = self.state.registry.last_node_of(place, unit);
        last.filter(|node| node.revoked.is_none())
            .map(|node| node.id)
    }

    fn invite(
        &mut self,
        place: PlaceId,
        unit: Option<UnitId>,
        hours: u32,
        successor: bool,
    ) -> Answered {
        let registry = self.registry();
        let child = registry
            .place(place)
            .is_some_and(|known| known.parent == Some(self.me.at.place));
        let own_unit = unit.is_some() && place == self.me.at.place;
        if !(own_unit || child && unit.is_none()) {
            return Ok(Err(Refusal::of(Code::PlaceUnknown, "place")));
        }
        if let Some(successor) = self.ended(place) {
            return Ok(Err(
                Refusal::of(Code::PlaceEnded, "place").because(successor)
            ));
        }
        let hours = if hours == 0 { 24 } else { hours };
        if hours > 720 {
            return Ok(Err(Refusal::of(Code::OutOfRange, "hours").because("1-720")));
        }
        // A village enrols nobody but its own units; every level below one more needs an authority above it.
        let levels = registry.place(place).map_or(0, |known| {
            [level::COUNTY, level::AREA, level::TOWNSHIP, level::VILLAGE]
                .iter()
                .filter(|deeper| **deeper > known.level)
                .count()
        });
        let levels = u8::try_from(levels).ok().filter(|_| unit.is_none());
        let succeeds = self.serving(place, unit);
        if succeeds.is_some() && !successor {
            return Ok(Err(Refusal::of(Code::PlaceHasNode, "place")));
        }
        let now = self.now;
        let Some(enroller) = self.enroller.as_deref_mut() else {
            return Ok(Err(
                Refusal::of(Code::NodeUnknown, "").because("this node has no issuing authority")
            ));
        };
        let minted = match enroller.mint(place, unit, levels, hours, succeeds, now) {
            Ok(minted) => minted,
            Err(refusal) => return Ok(Err(Refusal::of(Code::Busy, "").because(refusal.code))),
        };
        self.fact(Fact::Invitation(pb::InvitationSet {
            invitation: minted.id,
            stored: minted.stored,
        }))?;
        let later = pb::InviteResponse {
            token: String::new(),
            expires_ms: minted.expires.0,
            secret_withheld: true,
        };
        let now = pb::InviteResponse {
            token: minted.token.to_string(),
            secret_withheld: false,
            ..later.clone()
        };
        Ok(Ok(Answer::once(&now, &later)))
    }

    fn revoke(&mut self, actor: &Actor, node: NodeId) -> Answered {
        let registry = self.registry();
        let Some(record) = registry
            .node(node)
            .filter(|record| registry.enrols(self.me.at.place, record))
        else {
            return Ok(Err(Refusal::of(Code::NodeUnknown, "node")));
        };
        if node == self.me.at.node {
            return Ok(Err(Refusal::of(Code::NodeUnknown, "node")));
        }
        let content = Content::from(pb::NodeRevoked {
            node: node.to_vec(),
            incarnation: record.incarnation,
            last_author_sequence: self.last_author_sequence(node)?,
            lost: false,
        });
        self.registry_entry(actor.person, content)?;
        Ok(Ok(Answer::of(&pb::RevokeNodeResponse {})))
    }

    /// What this centre has stored of a node's work stands; what comes later does not.
    fn last_author_sequence(&self, node: NodeId) -> Result<u64, EngineError> {
        let row = self
            .overlay
            .get(&tables::named(&format!("author {node}")))?;
        Ok(row
            .and_then(|row| <[u8; 8]>::try_from(&row[..]).ok())
            .map_or(0, u64::from_be_bytes))
    }

    /// The name of the place that took over from one that has ended.
    fn ended(&self, place: PlaceId) -> Option<String> {
        let registry = &self.state.registry;
        let ended = registry.place(place)?.ended?;
        Some(registry.name(ended))
    }

    /// An invitation that nobody has used is good no more.
    fn revoke_invitation(&mut self, id: String) -> Answered {
        let now = self.now;
        let stored = self.state.book.get(&id);
        let Some(stored) = stored.and_then(|stored| revoked(stored, now)) else {
            return Ok(Err(Refusal::of(Code::InvitationUnknown, "invitation")));
        };
        self.fact(Fact::Invitation(pb::InvitationSet {
            invitation: id,
            stored,
        }))?;
        Ok(Ok(Answer::of(&pb::RevokeInvitationResponse {})))
    }

    /// Judges a join; invitation and registration are one record.
    pub(crate) fn join(
        &mut self,
        ticket: Ticket,
        request: &pb::JoinRequest,
    ) -> Result<(), EngineError> {
        let now = self.now;
        let book = self.state.book.clone();
        let Some(enroller) = self.enroller.as_deref_mut().filter(|_| !self.read_only) else {
            self.outputs
                .push(Output::Joined(ticket, Err(EnrolRefusal::NO_AUTHORITY)));
            return Ok(());
        };
        let enrolled = match enroller.join(&book, request, now) {
            Ok(enrolled) => enrolled,
            Err(refusal) => {
                self.outputs.push(Output::Joined(ticket, Err(refusal)));
                return Ok(());
            }
        };
        let own = ChainId::of_place(self.me.at.place);
        if self.gate_but(own, enrolled.succeeds)?.is_err() {
            self.outputs
                .push(Output::Joined(ticket, Err(EnrolRefusal::RECOVERING)));
            return Ok(());
        }
        let mut registration = enrolled.registration.clone();
        let node = NodeId::from_bytes(&registration.node).unwrap_or_default();
        let known = self.registry().node(node).cloned();
        if let Some(known) = known.filter(|_| enrolled.repeated) {
            if known.revoked.is_some() {
                let refusal = EnrolRefusal::from(CertificateCode::CertificateRevoked);
                self.outputs.push(Output::Joined(ticket, Err(refusal)));
                return Ok(());
            }
            // As it was registered: a successor's life is not the first.
            registration.incarnation = known.incarnation;
            registration.generation = known.generation;
        } else {
            let place = PlaceId::from_bytes(&registration.place).unwrap_or_default();
            if self.ended(place).is_some() {
                let refusal = EnrolRefusal::PLACE_ENDED;
                self.outputs.push(Output::Joined(ticket, Err(refusal)));
                return Ok(());
            }
            let unit = UnitId::from_bytes(&registration.unit);
            if self.serving(place, unit) != enrolled.succeeds {
                self.outputs
                    .push(Output::Joined(ticket, Err(EnrolRefusal::PLACE_HAS_NODE)));
                return Ok(());
            }
            self.succeed_lost_node(&mut registration)?;
            let (invitation, stored) = enrolled.invitation;
            self.fact(Fact::Invitation(pb::InvitationSet { invitation, stored }))?;
            self.registry_entry(None, Content::from(registration.clone()))?;
        }
        let response = self.join_response(
            &registration,
            enrolled.certificate_chain,
            enrolled.authority_chain,
            enrolled.root,
        )?;
        self.outputs
            .push(Output::Joined(ticket, Ok(Box::new(response))));
        Ok(())
    }

    /// Pins a node without an invitation.
    pub(crate) fn enrol(&mut self, registration: &pb::NodeEnrolled) -> Result<(), EngineError> {
        let mut registration = registration.clone();
        self.succeed_lost_node(&mut registration)?;
        self.registry_entry(None, Content::from(registration))?;
        Ok(())
    }

    /// A place, or unit, whose node is lost gets a new one: it writes in a higher incarnation and takes in a higher
    /// generation, so no number is ever used twice.
    fn succeed_lost_node(
        &mut self,
        registration: &mut pb::NodeEnrolled,
    ) -> Result<(), EngineError> {
        let registry = self.registry();
        let place = PlaceId::from_bytes(&registration.place).unwrap_or_default();
        let unit = UnitId::from_bytes(&registration.unit);
        let Some(before) = registry.last_node_of(place, unit) else {
            return Ok(());
        };
        registration.generation = before.generation + 1;
        registration.incarnation = before.incarnation + 1;
        if before.revoked.is_none() {
            let revoked = Content::from(pb::NodeRevoked {
                node: before.id.to_vec(),
                incarnation: before.incarnation,
                last_author_sequence: 0,
                lost: true,
            });
            self.registry_entry(None, revoked)?;
        }
        Ok(())
    }

    fn join_response(
        &mut self,
        registration: &pb::NodeEnrolled,
        certificate_chain: String,
        authority_chain: String,
        root: String,
    ) -> Result<pb::JoinResponse, EngineError> {
        let registry = self.registry();
        let mut entries = Vec::new();
        let place = PlaceId::from_bytes(&registration.place).unwrap_or_default();
        let mut names = registry.named_on_way_down(place);
        // What the newcomer's own place has written comes by its link.
        names.retain(|named| *named == self.me.at.place || *named != place);
        // The rules come along: whoever joins takes cases in before its first link.
        let registries = names.iter().copied().map(ChainId::of_place);
        let rulebooks = names.iter().copied().map(ChainId::rulebook_of);
        for id in registries.chain(rulebooks) {
            let chain = self.chain(id)?;
            entries.extend(
                chain
                    .standing()
                    .into_iter()
                    .map(|(entry, _)| entry.signed.clone()),
            );
        }
        let text = |bytes: &[u8]| {
            if bytes.is_empty() {
                String::new()
            } else {
                base32(bytes)
            }
        };
        Ok(pb::JoinResponse {
            node: text(&registration.node),
            deployment: self.me.deployment.to_string(),
            certificate_chain,
            authority_chain,
            root,
            registry: entries,
            incarnation: registration.incarnation,
            generation: registration.generation,
            unit: text(&registration.unit),
            parent_node: self.me.at.node.to_string(),
            parent_name: String::new(),
            link_address: String::new(),
            place: text(&registration.place),
        })
    }
}
