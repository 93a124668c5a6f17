//! Administration calls.

use fengqiao_hub::clock::Moment;
use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::{ChainId, Hash, NodeId, PersonId, PlaceId, UnitId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::node_service_server::NodeService;
use tonic::{Request, Response, Status};

use super::{Desk, answer, asked, internal};
use crate::desk::error::status;
use crate::engine::awaiting::recovering_since;
use crate::engine::{
    AccountChange, Administration, Caller, Closed, Listed, MovePlace, Views, no_account,
};
use crate::enrolment::{host_and_port, invitation_view};
use crate::link::Down;
use crate::node::opening::registry_and_views;
use crate::node::{LinkEnd, Node};
use crate::store::tables::ParkedRow;
use crate::trust::invitation::InvitationState;

/// Cases read at once for a digest.
const DIGEST_PAGE: usize = 1_000;
/// Rows of what waits that a status shows.
const PARKED_SHOWN_MAX: usize = 50;

type Answer<T> = Result<Response<T>, Status>;

/// A write that somebody asks for.
struct Write {
    caller: Caller,
    request_id: String,
    asked: Hash,
}

#[tonic::async_trait]
impl NodeService for Desk {
    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Answer<pb::GetStatusResponse> {
        self.caller(&request)?;
        let node = self.node();
        let registry = self.registry();
        let figures = node.figures.load();
        let rules = node.rules();
        let place = registry.place(node.me.at.place);
        let up = node.me.at.up(&registry);
        let awaited = crate::engine::awaiting::awaited(&**node.views.store(), &node.me, &registry)
            .map_err(|error| internal(&error))?;
        let parked = node.views.parked(PARKED_SHOWN_MAX);
        let parked = parked.map_err(|error| internal(&error))?;
        let since = recovering_since(&**node.views.store()).map_err(|error| internal(&error))?;
        let mut links = Vec::new();
        for link in up.into_iter().chain(node.me.at.down(&registry)) {
            let mut status = self.link_status(&registry, link, up == Some(link))?;
            status.awaited = awaited.contains(&link);
            status.awaited_since_ms = since.filter(|_| status.awaited).unwrap_or(0);
            links.push(status);
        }
        Ok(Response::new(pb::GetStatusResponse {
            node: node.me.at.node.to_string(),
            place: node.me.at.place.to_string(),
            name: registry.name(node.me.at.place),
            level: place.map_or(0, |place| place.level),
            incarnation: node.me.incarnation,
            deployment: node.me.deployment.to_string(),
            entries: figures.counts.entries,
            cases: figures.counts.cases,
            notices: figures.counts.notices,
            parked: figures.counts.parked,
            journal_bytes: figures.journal_bytes,
            syncs: figures.syncs,
            links,
            alarms: figures.alarms.clone(),
            boot: figures.counts.boot,
            submissions: figures.counts.submissions,
            parked_items: parked.into_iter().map(parked_item).collect(),
            read_only: node.is_read_only(),
            rulebook: rules.version_text(),
            calendar_year_missing: rules
                .calendar_warning(node.clock.now())
                .map_or(0, fengqiao_hub::clock::Warning::year),
            closed: node.closed().map(|closed| closed_trouble(node, closed)),
        }))
    }

    async fn get_digest(
        &self,
        request: Request<pb::GetDigestRequest>,
    ) -> Answer<pb::GetDigestResponse> {
        // It reads the whole journal.
        self.may_look(&request, &[pb::Role::Administrator])?;
        let node = std::sync::Arc::clone(self.node());
        let computed = tokio::task::spawn_blocking(move || {
            let read = registry_and_views(&node.folder, &node.me, node.views.reader())?;
            let (registry, views, records) = read;
            digest_of(&node.me.at, &registry, &views, records)
        });
        let digest = computed
            .await
            .map_err(|_| Status::internal("the digest was not computed"))?;
        digest.map(Response::new).map_err(|error| {
            tracing::error!(%error, "the journal does not read");
            Status::data_loss(format!("JOURNAL_DAMAGED: {error}"))
        })
    }

    async fn add_place(
        &self,
        request: Request<pb::AddPlaceRequest>,
    ) -> Answer<pb::AddPlaceResponse> {
        let write = self.write("add-place", &request, |message| &message.request_id)?;
        let what = Administration::AddPlaces(vec![request.into_inner()]);
        let added: Response<pb::AddPlacesResponse> = self.administer(write, what).await?;
        let places = added.into_inner().places;
        let place = places.into_iter().next().unwrap_or_default();
        Ok(Response::new(pb::AddPlaceResponse { place }))
    }

    async fn add_places(
        &self,
        request: Request<pb::AddPlacesRequest>,
    ) -> Answer<pb::AddPlacesResponse> {
        let write = self.write("add-places", &request, |message| &message.request_id)?;
        let what = Administration::AddPlaces(request.into_inner().places);
        self.administer(write, what).await
    }

    async fn add_unit(&self, request: Request<pb::AddUnitRequest>) -> Answer<pb::AddUnitResponse> {
        let write = self.write("add-unit", &request, |message| &message.request_id)?;
        let what = Administration::AddUnit(request.into_inner());
        self.administer(write, what).await
    }

    async fn rename_place(
        &self,
        request: Request<pb::RenamePlaceRequest>,
    ) -> Answer<pb::RenamePlaceResponse> {
        let write = self.write("rename-place", &request, |message| &message.request_id)?;
        let message = request.into_inner();
        let what = Administration::RenamePlace {
            place: self.below(&message.place, "place")?,
            name: message.name,
            code: message.code,
        };
        self.administer(write, what).await
    }

    async fn rename_unit(
        &self,
        request: Request<pb::RenameUnitRequest>,
    ) -> Answer<pb::RenameUnitResponse> {
        let write = self.write("rename-unit", &request, |message| &message.request_id)?;
        let message = request.into_inner();
        let what = Administration::RenameUnit(self.named_unit(&message.unit)?, message.name);
        self.administer(write, what).await
    }

    async fn end_unit(&self, request: Request<pb::EndUnitRequest>) -> Answer<pb::EndUnitResponse> {
        let write = self.write("end-unit", &request, |message| &message.request_id)?;
        let what = Administration::EndUnit(self.named_unit(&request.into_inner().unit)?);
        self.administer(write, what).await
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Answer<pb::ListAccountsResponse> {
        self.may_look(&request, &[])?;
        let message = request.into_inner();
        let kept = self.node().views.accounts();
        let mut kept = kept.map_err(|error| internal(&error))?;
        if !message.login.is_empty() {
            let logins: Vec<String> = kept.iter().map(|account| account.login.clone()).collect();
            kept.retain(|account| account.login == message.login);
            if kept.is_empty() {
                let refusal = no_account(Code::AccountUnknown, &message.login, &logins);
                return Err(status(&refusal));
            }
        }
        let named = !message.login.is_empty();
        kept.retain(|account| named || message.with_closed || !account.closed);
        let registry = self.registry();
        let shown = kept.into_iter().map(|kept| account_view(&registry, kept));
        Ok(Response::new(pb::ListAccountsResponse {
            accounts: shown.collect(),
        }))
    }

    async fn set_account(
        &self,
        request: Request<pb::SetAccountRequest>,
    ) -> Answer<pb::SetAccountResponse> {
        let write = self.write("set-account", &request, |message| &message.request_id)?;
        let message = request.into_inner();
        let unit = match &message.unit {
            Some(unit) => Some(self.unit(unit)?),
            None => None,
        };
        let what = Administration::SetAccount(AccountChange {
            login: message.login,
            name: message.name,
            unit,
            roles: message.roles,
            closed: message.closed,
        });
        self.administer(write, what).await
    }

    async fn rotate_token(
        &self,
        request: Request<pb::RotateTokenRequest>,
    ) -> Answer<pb::RotateTokenResponse> {
        let write = self.write("rotate-token", &request, |message| &message.request_id)?;
        let what = Administration::RotateToken(request.into_inner().login);
        self.administer(write, what).await
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Answer<pb::RevokeTokenResponse> {
        let write = self.write("revoke-token", &request, |message| &message.request_id)?;
        let what = Administration::RevokeToken(request.into_inner().login);
        self.administer(write, what).await
    }

    async fn invite(&self, request: Request<pb::InviteRequest>) -> Answer<pb::InviteResponse> {
        let write = self.write("invite", &request, |message| &message.request_id)?;
        let message = request.into_inner();
        let own = self.node().me.at.place;
        let unit = self.unit(&message.unit)?;
        let place = if message.place.is_empty() && unit.is_some() {
            own
        } else {
            self.below(&message.place, "place")?
        };
        let what = Administration::Invite {
            place,
            unit,
            hours: message.hours,
            successor: message.successor,
        };
        self.administer(write, what).await
    }

    async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Answer<pb::ListInvitationsResponse> {
        self.may_look(&request, &[pb::Role::Administrator])?;
        let (registry, now) = (self.registry(), self.node().clock.now());
        let kept = self.node().views.invitations();
        let kept = kept.map_err(|error| internal(&error))?;
        let mut invitations: Vec<_> = kept
            .into_iter()
            .filter_map(|(id, stored)| invitation_shown(&registry, now, id, &stored))
            .collect();
        invitations.sort_by_key(|shown| std::cmp::Reverse(shown.expires_ms));
        Ok(Response::new(pb::ListInvitationsResponse { invitations }))
    }

    async fn revoke_invitation(
        &self,
        request: Request<pb::RevokeInvitationRequest>,
    ) -> Answer<pb::RevokeInvitationResponse> {
        let write = self.write("revoke-invitation", &request, |message| &message.request_id)?;
        let what = Administration::RevokeInvitation(request.into_inner().invitation);
        self.administer(write, what).await
    }

    async fn revoke_node(
        &self,
        request: Request<pb::RevokeNodeRequest>,
    ) -> Answer<pb::RevokeNodeResponse> {
        let write = self.write("revoke-node", &request, |message| &message.request_id)?;
        let what = Administration::Revoke(node_id(&request.into_inner().node)?);
        self.administer(write, what).await
    }

    async fn import_entries(
        &self,
        request: Request<pb::ImportEntriesRequest>,
    ) -> Answer<pb::ImportEntriesResponse> {
        let write = self.write("import-entries", &request, |message| &message.request_id)?;
        let what = Administration::ImportEntries(request.into_inner().entries);
        self.administer(write, what).await
    }

    async fn end_place(
        &self,
        request: Request<pb::EndPlaceRequest>,
    ) -> Answer<pb::EndPlaceResponse> {
        let write = self.write("end-place", &request, |message| &message.request_id)?;
        let message = request.into_inner();
        let what = Administration::EndPlace {
            place: self.below(&message.place, "place")?,
            successor: self.below(&message.successor, "successor")?,
        };
        self.administer(write, what).await
    }

    async fn move_place(
        &self,
        request: Request<pb::MovePlaceRequest>,
    ) -> Answer<pb::MovePlaceResponse> {
        let write = self.write("move-place", &request, |message| &message.request_id)?;
        let message = request.into_inner();
        if !message.address.is_empty() && host_and_port(&message.address).is_err() {
            return Err(status(
                &Refusal::of(Code::Malformed, "address").because("HOST:PORT"),
            ));
        }
        let what = Administration::MovePlace(MovePlace {
            place: self.below(&message.place, "place")?,
            to: self.below(&message.to, "to")?,
            code: message.code,
            name: message.name,
            address: message.address,
        });
        self.administer(write, what).await
    }

    async fn waive_neighbour(
        &self,
        request: Request<pb::WaiveNeighbourRequest>,
    ) -> Answer<pb::WaiveNeighbourResponse> {
        let write = self.write("waive-neighbour", &request, |message| &message.request_id)?;
        let what = Administration::Waive(node_id(&request.into_inner().node)?);
        self.administer(write, what).await
    }

    async fn prepare_root_renewal(
        &self,
        request: Request<pb::PrepareRootRenewalRequest>,
    ) -> Answer<pb::PrepareRootRenewalResponse> {
        let write = self.write("prepare-root-renewal", &request, |message| {
            &message.request_id
        })?;
        let what = Administration::PrepareRenewal(request.into_inner().approved_by);
        self.administer(write, what).await
    }

    async fn renew_root(
        &self,
        request: Request<pb::RenewRootRequest>,
    ) -> Answer<pb::RenewRootResponse> {
        let write = self.write("renew-root", &request, |message| &message.request_id)?;
        let entry = request.into_inner().entry.unwrap_or_default();
        let entry = Entry::from_signed(&entry)
            .map_err(|_| status(&Refusal::of(Code::Malformed, "entry")))?;
        let what = Administration::RenewRoot(Box::new(entry));
        self.administer(write, what).await
    }

    async fn list_places(
        &self,
        request: Request<pb::ListPlacesRequest>,
    ) -> Answer<pb::ListPlacesResponse> {
        self.may_look(&request, &[])?;
        let registry = self.registry();
        let places = registry
            .places()
            .map(|place| pb::PlaceView {
                place: place.id.to_string(),
                code: place.code.clone(),
                name: place.name.clone(),
                level: place.level,
                parent: place
                    .parent
                    .map(|parent| parent.to_string())
                    .unwrap_or_default(),
                node: registry
                    .node_of(place.id)
                    .map(|node| node.id.to_string())
                    .unwrap_or_default(),
                successor: place
                    .ended
                    .map(|successor| successor.to_string())
                    .unwrap_or_default(),
            })
            .collect();
        let units = registry
            .all_units_of(self.node().me.at.place)
            .map(|unit| pb::UnitView {
                unit: unit.id.to_string(),
                name: unit.name.clone(),
                kind: unit.kind.into(),
                presence: unit.presence.into(),
                ended: unit.ended,
            })
            .collect();
        Ok(Response::new(pb::ListPlacesResponse { places, units }))
    }
}

impl Desk {
    /// Who writes what, by which request id.
    fn write<M: prost::Message>(
        &self,
        name: &str,
        request: &Request<M>,
        request_id: impl Fn(&M) -> &String,
    ) -> Result<Write, Status> {
        let caller = self.caller(request)?;
        let id = request_id(request.get_ref());
        crate::app::texts::request_id(id).map_err(|refusal| status(&refusal))?;
        Ok(Write {
            caller,
            request_id: id.clone(),
            asked: asked(name, request.get_ref()),
        })
    }

    async fn administer<R: prost::Message + Default>(
        &self,
        write: Write,
        what: Administration,
    ) -> Answer<R> {
        let Write {
            caller,
            request_id,
            asked,
        } = write;
        let node = self.node();
        answer(node.administer(request_id, asked, caller, what).await)
    }

    fn unit(&self, text: &str) -> Result<Option<UnitId>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        self.named_unit(text).map(Some)
    }

    fn named_unit(&self, text: &str) -> Result<UnitId, Status> {
        let found = self
            .registry()
            .unit_called(text, self.node().me.at.place, "unit");
        found.map_err(|refusal| status(&refusal))
    }

    /// A place that is this one or stands below it, as a field names it.
    fn below(&self, text: &str, field: &'static str) -> Result<PlaceId, Status> {
        let found = self
            .registry()
            .place_called(text, self.node().me.at.place, field);
        found.map_err(|refusal| status(&refusal))
    }

    fn link_status(
        &self,
        registry: &fengqiao_hub::jurisdiction::Registry,
        link: NodeId,
        up: bool,
    ) -> Result<pb::LinkStatus, Status> {
        let node = self.node();
        let end = node.link_ends().get(&link).cloned().unwrap_or_default();
        let record = registry.node(link);
        let name = record.map_or_else(String::new, |record| {
            match record.unit.and_then(|unit| registry.unit(unit)) {
                Some(unit) => unit.name.clone(),
                None => registry.name(record.place),
            }
        });
        let (mut owed, mut received, mut acknowledged) = (0, 0, 0);
        for lane in [pb::Lane::Control, pb::Lane::Cases, pb::Lane::Bulk] {
            let row = node
                .views
                .lane(link, lane)
                .map_err(|error| internal(&error))?;
            let receipt = node.views.receipt(link, lane);
            let stored_there = receipt.map_err(|error| internal(&error))?.acknowledged;
            owed += row.owed.saturating_sub(stored_there);
            acknowledged += stored_there;
            received += row.stored();
        }
        Ok(pb::LinkStatus {
            link: link.to_string(),
            name,
            direction: if up { "up" } else { "down" }.to_owned(),
            connected: end.is_connected(),
            owed,
            heard_ms: end.heard_ms,
            digest: match end.digest {
                Some(true) => "equal".to_owned(),
                Some(false) => "different".to_owned(),
                None => String::new(),
            },
            skew_ms: end.skew_ms,
            received,
            acknowledged,
            awaited: false,
            awaited_since_ms: 0,
            down: down_trouble(&end, up),
        })
    }
}

fn node_id(text: &str) -> Result<NodeId, Status> {
    let malformed = |_| status(&Refusal::of(Code::Malformed, "node"));
    text.parse::<NodeId>().map_err(malformed)
}

/// An account as its list shows it.
fn account_view(registry: &Registry, kept: pb::AccountSet) -> pb::AccountView {
    let person = PersonId::from_bytes(&kept.person);
    let unit = UnitId::from_bytes(&kept.unit);
    let known = unit.and_then(|unit| registry.unit(unit));
    pb::AccountView {
        person: person.map(|person| person.to_string()).unwrap_or_default(),
        unit: unit.map(|unit| unit.to_string()).unwrap_or_default(),
        unit_name: known.map(|unit| unit.name.clone()).unwrap_or_default(),
        has_token: !kept.token_hash.is_empty(),
        login: kept.login,
        name: kept.name,
        roles: kept.roles,
        closed: kept.closed,
    }
}

/// An invitation as its list shows it; `None` where it does not read.
fn invitation_shown(
    registry: &Registry,
    now: Moment,
    invitation: String,
    stored: &str,
) -> Option<pb::InvitationView> {
    let view = invitation_view(stored)?;
    let (standing, node) = match view.state {
        InvitationState::Open if now >= view.expires => (pb::InvitationStanding::Expired, None),
        InvitationState::Open => (pb::InvitationStanding::Open, None),
        InvitationState::Used { node, .. } => (pb::InvitationStanding::Used, Some(node)),
        InvitationState::Revoked { .. } => (pb::InvitationStanding::Revoked, None),
    };
    let id = |node: Option<NodeId>| node.map(|node| node.to_string()).unwrap_or_default();
    let unit = view.unit.and_then(|unit| registry.unit(unit));
    Some(pb::InvitationView {
        invitation,
        place: view.place.to_string(),
        place_name: registry.name(view.place),
        unit_name: unit.map(|unit| unit.name.clone()).unwrap_or_default(),
        succeeds: id(view.succeeds),
        expires_ms: view.expires.0,
        standing: standing.into(),
        node: id(node),
    })
}

/// Why a link is down, for the status.
fn down_trouble(end: &LinkEnd, up: bool) -> Option<pb::Trouble> {
    if end.is_connected() {
        return None;
    }
    // The lower side dials: what has not been tried from there has no reason here yet.
    let why = end.down.clone().or((!up).then_some(Down::NotDialled))?;
    let (said, to_do) = (why.said(), why.to_do());
    Some(pb::Trouble {
        code: why.code().to_owned(),
        english: said.english,
        chinese: said.chinese,
        to_do: to_do.english,
        to_do_chinese: to_do.chinese,
        since_ms: end.down_since_ms,
    })
}

/// Why a node writes nothing any more, for the status.
fn closed_trouble(node: &Node, closed: Closed) -> pb::Trouble {
    let refusal = closed.refusal();
    let to_do = closed.to_do();
    let found = node.found_older();
    let registry = node.registry.load();
    let by = found.as_ref().map(|found| {
        let record = registry.node(found.neighbour);
        record.map_or_else(
            || found.neighbour.to_string(),
            |record| registry.name(record.place),
        )
    });
    let (english, chinese) = match by {
        Some(by) => (
            format!("{} (found by {by})", refusal.english()),
            format!("{}（由 {by} 发现）", refusal.chinese()),
        ),
        None => (refusal.english(), refusal.chinese()),
    };
    pb::Trouble {
        code: refusal.code.as_str().to_owned(),
        english,
        chinese,
        to_do: to_do.0.to_owned(),
        to_do_chinese: to_do.1.to_owned(),
        since_ms: found.map_or(0, |found| found.at_ms),
    }
}

/// The digests of everything a journal says: one a link, one over all cases, and the heads.
pub(crate) fn digest_of(
    at: &crate::replication::route::Standpoint,
    registry: &fengqiao_hub::jurisdiction::Registry,
    views: &Views,
    records: u64,
) -> Result<pb::GetDigestResponse, crate::engine::EngineError> {
    let mut links = Vec::new();
    for link in at.up(registry).into_iter().chain(at.down(registry)) {
        let ranges = views.digest_ranges(link)?;
        let chains = views.carried_count(link)?;
        let hash = Hash::of("fengqiao/link-digest/1", &[&ranges.concat()]);
        links.push(pb::LinkDigest {
            link: link.to_string(),
            hash: hash.to_string(),
            chains,
        });
    }
    let mut heads = Vec::new();
    let mut all: Vec<(ChainId, Hash)> = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let (listed, next) = views.all_cases(after.as_deref(), DIGEST_PAGE)?;
        for listed in &listed {
            let (head, id, digest) = head_of(listed);
            heads.push(head);
            all.push((id, digest));
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    all.sort_unstable();
    let joined: Vec<u8> = all
        .iter()
        .flat_map(|(id, hash)| [&id.0[..], &hash.0[..]].concat())
        .collect();
    let cases = Hash::of("fengqiao/cases-digest/1", &[&joined]).to_string();
    Ok(pb::GetDigestResponse {
        links,
        cases,
        heads,
        records,
    })
}

fn parked_item((chain, row): (ChainId, ParkedRow)) -> pb::ParkedItem {
    let link = NodeId::from_bytes(&row.link);
    let speaks_of = Some(chain).filter(|chain| *chain != ChainId::default());
    let is_entry = row.kind() == pb::ItemKind::Unspecified;
    pb::ParkedItem {
        kind: if is_entry {
            pb::ItemKind::Entry.into()
        } else {
            row.kind
        },
        reason: row.reason,
        chain: speaks_of.map(|chain| chain.to_string()).unwrap_or_default(),
        link: link.map(|link| link.to_string()).unwrap_or_default(),
    }
}

fn head_of(listed: &Listed) -> (pb::CaseDigest, ChainId, Hash) {
    match listed {
        Listed::Chain(id, row) => {
            let head = pb::CaseDigest {
                case: id.to_string(),
                head: (Hash::from_bytes(&row.head))
                    .map(|head| head.to_string())
                    .unwrap_or_default(),
                number: row.number.clone(),
                stage: row.stage.clone(),
                outcome: row.outcome.unsigned_abs(),
                external_number: row.external_number.clone(),
                notice_only: false,
            };
            (head, *id, Hash::from_bytes(&row.digest).unwrap_or_default())
        }
        Listed::Notice(id, notice) => {
            let hash = Hash::from_bytes(&notice.head).unwrap_or_default();
            let head = pb::CaseDigest {
                case: id.to_string(),
                head: hash.to_string(),
                number: notice.number.clone(),
                stage: notice.stage.clone(),
                outcome: notice.outcome,
                external_number: String::new(),
                notice_only: true,
            };
            (head, *id, hash)
        }
    }
}
