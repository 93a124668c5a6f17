//! Casework calls.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use fengqiao_hub::casework::{Actor, spec_of};
use fengqiao_hub::centre;
use fengqiao_hub::clock::Contact;
use fengqiao_hub::directive;
use fengqiao_hub::id::{ChainId, NodeId, PersonId, PlaceId};
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::casework_service_server::CaseworkService;
use tonic::{Request, Response, Status};

use super::filter::Filter;
use super::{Desk, Reader, answer, asked, internal, opened_texts};
use crate::app::resolve::{Names, case_id, names_annex, resolve};
use crate::app::texts::{checked, request_id};
use crate::desk::error::status;
use crate::engine::{Administration, Caller, CaseMove};
use crate::store::tables::LookRow;

/// Cases of one page at most.
const PAGE_MAX: u32 = 500;
/// Cases of a page when the caller does not say.
const PAGE_DEFAULT: u32 = 50;
/// Looks at a case shown at most.
const LOOKS_MAX: usize = 1_000;
/// Cases looked at for one page, however few of them a filter takes.
const LOOKED_AT_MAX: usize = 5_000;
/// Names of missing centres shown at most.
const MISSING_MAX: usize = 200;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl CaseworkService for Desk {
    async fn act(&self, request: Request<pb::ActRequest>) -> Answer<pb::ActResponse> {
        let caller = self.caller(&request)?;
        let message = request.into_inner();
        let asked = asked("act", &message);
        let refused = |refusal: Refusal| status(&refusal);
        request_id(&message.request_id).map_err(refused)?;
        let action = message
            .action
            .ok_or_else(|| status(&Refusal::of(Code::Empty, "action")))?;
        let registering = spec_of(&action).is_some_and(|spec| spec.name == "register");
        let case = match (message.case.as_str(), registering) {
            ("", true) => None,
            ("", false) => return Err(status(&Refusal::of(Code::Empty, "case"))),
            (_, true) => return Err(status(&Refusal::of(Code::Malformed, "case"))),
            (text, false) => Some(self.case(text)?),
        };
        let registry = self.registry();
        // Only an annex entry is named by its chain; the engine judges every action on the chain it holds.
        let chain = match case.filter(|_| names_annex(&action)) {
            Some(id) => Some(
                self.node()
                    .views
                    .chain(&registry, id)
                    .map_err(|error| internal(&error))?,
            ),
            None => None,
        };
        let rules = self.node().rules();
        let names = Names {
            registry: &registry,
            rulebook: &rules,
            place: self.node().me.at.place,
            tree: chain.as_ref().map(|chain| &chain.tree),
            now_ms: self.node().clock.now().0,
        };
        let resolved = resolve(&action, message.texts, &names).map_err(refused)?;
        let contact = case.map_or(Ok(Contact::Here), |id| self.contact_of(&registry, id))?;
        let what = CaseMove {
            case,
            action: resolved.action,
            content: resolved.content,
            linked: self.linked(&registry),
            contact,
        };
        let actor = self.actor(&caller);
        let done = answer(
            self.node()
                .act(message.request_id, asked, caller, what)
                .await,
        );
        let mut done: Response<pb::ActResponse> = done?;
        if let (Ok(actor), Some(id)) = (actor, case_id(&done.get_ref().case)) {
            done.get_mut().after = self.after(id, &actor);
        }
        Ok(done)
    }

    async fn get_case(&self, request: Request<pb::GetCaseRequest>) -> Answer<pb::GetCaseResponse> {
        let caller = self.caller(&request)?;
        let actor = self.actor(&caller)?;
        let message = request.into_inner();
        let id = self.case(&message.case)?;
        let registry = self.registry();
        let chain = self
            .node()
            .views
            .chain(&registry, id)
            .map_err(|error| internal(&error))?;
        let reader = if message.show_texts {
            Reader::Texts(&actor, message.purpose())
        } else {
            Reader::Steps(&actor)
        };
        let shown = self.chain_view(&registry, id, &chain, true, &reader)?;
        if let Some(shown) = shown {
            if message.show_texts {
                self.note_look(caller, id, message.purpose(), &shown)
                    .await?;
            }
            return Ok(Response::new(pb::GetCaseResponse { case: Some(shown) }));
        }
        let notice = self
            .node()
            .views
            .notice(id)
            .map_err(|error| internal(&error))?;
        let notice = notice.and_then(|notice| {
            let custodian = PlaceId::from_bytes(&notice.custodian)?;
            let contact = self.node().contact(custodian);
            let rules = self.node().rules();
            let background = self.background(&registry, &rules, contact);
            crate::desk::view::notice_view(&notice, &background)
        });
        match notice {
            Some(_) => Ok(Response::new(pb::GetCaseResponse { case: notice })),
            None if !chain.tree.is_empty() => {
                Err(status(&Refusal::of(Code::EarlierAwaited, "case")))
            }
            None => Err(status(&Refusal::of(Code::CaseUnknown, "case"))),
        }
    }

    async fn list_cases(
        &self,
        request: Request<pb::ListCasesRequest>,
    ) -> Answer<pb::ListCasesResponse> {
        self.actor(&self.caller(&request)?)?;
        let message = request.into_inner();
        let size = if message.page_size == 0 {
            PAGE_DEFAULT
        } else {
            message.page_size
        };
        if size > PAGE_MAX {
            return Err(status(
                &Refusal::of(Code::OutOfRange, "page_size").because(format!("1-{PAGE_MAX}")),
            ));
        }
        let after = page_token(&message.page_token)?;
        let registry = self.registry();
        let views = &self.node().views;
        let limit = size as usize;
        let filter = Filter::of(
            &message,
            &registry,
            &self.node().rules(),
            self.node().me.at.place,
        );
        let filter = filter.map_err(|refusal| status(&refusal))?;
        let (mut cases, mut looked_at, mut after) = (Vec::new(), 0, after);
        let next = 'page: loop {
            let page = views.rows(message.with_closed, after.as_deref(), limit);
            let (rows, more) = page.map_err(|error| internal(&error))?;
            for (key, listed) in rows {
                looked_at += 1;
                after = Some(key);
                let shown = match &listed {
                    Some(listed) => self.listed(&registry, listed)?,
                    None => None,
                };
                let wanted = shown.filter(|case| {
                    (message.with_notices || !case.notice_only) && filter.takes(case)
                });
                cases.extend(wanted);
                if cases.len() == limit {
                    break 'page after;
                }
            }
            if !more {
                break None;
            }
            if looked_at >= LOOKED_AT_MAX {
                break after;
            }
        };
        let next_page_token = next
            .map(|key| fengqiao_hub::id::base32(&key))
            .unwrap_or_default();
        Ok(Response::new(pb::ListCasesResponse {
            cases,
            next_page_token,
        }))
    }

    async fn issue_directive(
        &self,
        request: Request<pb::IssueDirectiveRequest>,
    ) -> Answer<pb::IssueDirectiveResponse> {
        let caller = self.caller(&request)?;
        let message = request.into_inner();
        let asked = asked("issue-directive", &message);
        request_id(&message.request_id).map_err(|refusal| status(&refusal))?;
        let registry = self.registry();
        let place = self.node().me.at.place;
        let mut scope = Vec::new();
        for text in &message.scope {
            let found = registry.place_called(text, place, "scope");
            let found = found.map_err(|refusal| status(&refusal))?;
            if found == place {
                return Err(status(&Refusal::of(Code::PlaceUnknown, "scope")));
            }
            scope.push(found.to_vec());
        }
        let text = pb::PrivateText {
            role: "text".to_owned(),
            text: message.text,
        };
        let content = pb::PrivateContent {
            requester: None,
            texts: vec![text],
        };
        let content = checked(content).map_err(|refusal| status(&refusal))?;
        let issued = pb::DirectiveIssued {
            issuer: place.to_vec(),
            scope,
            due_ms: message.due_ms,
            report_required: message.report_required,
        };
        let what = Administration::IssueDirective(issued, content);
        answer(
            self.node()
                .administer(message.request_id, asked, caller, what)
                .await,
        )
    }

    async fn answer_directive(
        &self,
        request: Request<pb::AnswerDirectiveRequest>,
    ) -> Answer<pb::AnswerDirectiveResponse> {
        let caller = self.caller(&request)?;
        let message = request.into_inner();
        let asked = asked("answer-directive", &message);
        request_id(&message.request_id).map_err(|refusal| status(&refusal))?;
        let id = case_id(&message.directive)
            .or_else(|| message.directive.parse::<ChainId>().ok())
            .ok_or_else(|| status(&Refusal::of(Code::Malformed, "directive")))?;
        let what = Administration::AnswerDirective(id, message.executed);
        answer(
            self.node()
                .administer(message.request_id, asked, caller, what)
                .await,
        )
    }

    async fn list_directives(
        &self,
        request: Request<pb::ListDirectivesRequest>,
    ) -> Answer<pb::ListDirectivesResponse> {
        self.actor(&self.caller(&request)?)?;
        let registry = self.registry();
        let ids = self
            .node()
            .views
            .directives()
            .map_err(|error| internal(&error))?;
        let mut directives = Vec::new();
        for id in ids {
            directives.extend(self.directive(&registry, id)?);
        }
        Ok(Response::new(pb::ListDirectivesResponse { directives }))
    }

    async fn list_looks(
        &self,
        request: Request<pb::ListLooksRequest>,
    ) -> Answer<pb::ListLooksResponse> {
        let actor = self.actor(&self.caller(&request)?)?;
        centre::may_see_looks(&actor).map_err(|refusal| status(&refusal))?;
        let id = self.case(&request.into_inner().case)?;
        let views = &self.node().views;
        let rows = views.looks(id).map_err(|error| internal(&error))?;
        let accounts = views.accounts().map_err(|error| internal(&error))?;
        let registry = self.registry();
        let first = rows.len().saturating_sub(LOOKS_MAX);
        let looks = (rows[first..].iter())
            .map(|row| look_view(row, &accounts, &registry))
            .collect();
        Ok(Response::new(pb::ListLooksResponse { looks }))
    }

    async fn list_tallies(
        &self,
        request: Request<pb::ListTalliesRequest>,
    ) -> Answer<pb::ListTalliesResponse> {
        self.actor(&self.caller(&request)?)?;
        let tallies = self
            .node()
            .views
            .tallies()
            .map_err(|error| internal(&error))?;
        Ok(Response::new(pb::ListTalliesResponse { tallies }))
    }
}

impl Desk {
    /// Writes down who is shown which texts; they are given out when it is synced.
    async fn note_look(
        &self,
        caller: Caller,
        case: ChainId,
        purpose: pb::LookPurpose,
        shown: &pb::CaseView,
    ) -> Result<(), Status> {
        let entries = shown.entries.iter().chain(&shown.annex);
        let fields: BTreeSet<&str> = entries
            .flat_map(|entry| &entry.texts)
            .map(|text| text.role.as_str())
            .collect();
        if fields.is_empty() {
            return Ok(());
        }
        let purpose = match purpose {
            pb::LookPurpose::Unspecified | pb::LookPurpose::Handling => pb::LookPurpose::Handling,
            pb::LookPurpose::Export => pb::LookPurpose::Export,
        };
        let looked = pb::Looked {
            case: case.to_vec(),
            purpose: purpose.into(),
            fields: fields.into_iter().map(str::to_owned).collect(),
        };
        let asked = asked("look", &looked);
        let what = Administration::Look(looked);
        let noted = self
            .node()
            .administer(String::new(), asked, caller, what)
            .await;
        noted.map(|_| ()).map_err(|refusal| status(&refusal))
    }

    /// The case as it stands after an action; `None` where only its notice is held.
    fn after(&self, id: ChainId, actor: &Actor) -> Option<pb::CaseView> {
        let registry = self.registry();
        let chain = self.node().views.chain(&registry, id).ok()?;
        self.chain_view(&registry, id, &chain, false, &Reader::Steps(actor))
            .ok()?
    }

    /// What is known of the node that holds a case.
    fn contact_of(&self, registry: &Registry, id: ChainId) -> Result<Contact, Status> {
        let views = &self.node().views;
        let chain = views
            .chain(registry, id)
            .map_err(|error| internal(&error))?;
        let custodian = match chain.tree.custody() {
            Some(custody) => Some(custody.custodian),
            None => {
                let notice = views.notice(id).map_err(|error| internal(&error))?;
                notice.and_then(|notice| PlaceId::from_bytes(&notice.custodian))
            }
        };
        Ok(custodian.map_or(Contact::Here, |custodian| self.node().contact(custodian)))
    }

    fn directive(
        &self,
        registry: &Registry,
        id: ChainId,
    ) -> Result<Option<pb::DirectiveView>, Status> {
        let node = self.node();
        let chain = node
            .views
            .chain(registry, id)
            .map_err(|error| internal(&error))?;
        let issued = chain.standing().into_iter().find_map(|(entry, _)| {
            let issued = directive::issued(entry.body.content.as_ref()).cloned();
            Some((issued?, entry))
        });
        let Some((issued, entry)) = issued else {
            return Ok(None);
        };
        let count = node
            .views
            .directive_count(id)
            .map_err(|error| internal(&error))?;
        let addressed = directive::addressed_within(&issued, node.me.at.place, registry);
        let acknowledged: Vec<PlaceId> = count
            .acknowledged
            .iter()
            .filter_map(|place| PlaceId::from_bytes(place))
            .collect();
        let missing = addressed
            .iter()
            .filter(|place| !acknowledged.contains(place));
        let may_read = addressed.contains(&node.me.at.place) || issued.issuer == node.me.at.place.0;
        let text = if may_read {
            opened_texts(&node.vault, id, &entry)
        } else {
            Vec::new()
        };
        let issuer = PlaceId::from_bytes(&issued.issuer).unwrap_or_default();
        Ok(Some(pb::DirectiveView {
            directive: id.to_string(),
            issuer: registry.name(issuer),
            due_ms: issued.due_ms,
            addressed: u32::try_from(addressed.len()).unwrap_or(u32::MAX),
            acknowledged: u32::try_from(acknowledged.len()).unwrap_or(u32::MAX),
            reported: u32::try_from(count.reported.len()).unwrap_or(u32::MAX),
            missing: missing
                .take(MISSING_MAX)
                .map(|place| registry.name(*place))
                .collect(),
            text: text
                .into_iter()
                .map(|text| text.text)
                .collect::<Vec<_>>()
                .join("\n"),
        }))
    }
}

fn look_view(row: &LookRow, accounts: &[pb::AccountSet], registry: &Registry) -> pb::LookView {
    let account = accounts.iter().find(|account| account.person == row.person);
    let node = NodeId::from_bytes(&row.node).unwrap_or_default();
    let place = registry.node(node).map(|node| node.place);
    pb::LookView {
        at_ms: row.at_ms,
        login: account
            .map(|account| account.login.clone())
            .unwrap_or_default(),
        person: PersonId::from_bytes(&row.person)
            .map(|person| person.to_string())
            .unwrap_or_default(),
        purpose: row.purpose,
        fields: row.fields.clone(),
        place_id: place.map(|place| place.to_string()).unwrap_or_default(),
        place_name: place.map(|place| registry.name(place)).unwrap_or_default(),
        entry: HEXLOWER.encode(&row.entry),
    }
}

fn page_token(text: &str) -> Result<Option<Vec<u8>>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let key = fengqiao_hub::id::from_base32(text).filter(|key| key.len() <= 64);
    key.map(Some)
        .ok_or_else(|| status(&Refusal::of(Code::Malformed, "page_token")))
}
