//! The rules: bundles issued, and what is in force.

use fengqiao_hub::id::PlaceId;
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::{Part, Rulebooks};
use fengqiao_proto::v1 as pb;
use pb::rulebook_service_server::RulebookService;
use tonic::{Request, Response, Status};

use super::{Desk, answer, asked};
use crate::app::texts::request_id;
use crate::desk::error::status;
use crate::engine::{Administration, problem_view};

#[tonic::async_trait]
impl RulebookService for Desk {
    async fn issue_bundle(
        &self,
        request: Request<pb::IssueBundleRequest>,
    ) -> Result<Response<pb::IssueBundleResponse>, Status> {
        let caller = self.caller(&request)?;
        let message = request.into_inner();
        request_id(&message.request_id).map_err(|refusal| status(&refusal))?;
        let asked = asked("issue-bundle", &message);
        let dry_run = message.dry_run;
        let issued = pb::BundleIssued {
            issuer: self.node().me.at.place.to_vec(),
            effective_ms: message.effective_ms,
            files: message.files,
            note: message.note,
            parts: 0,
        };
        let what = Administration::IssueBundle { issued, dry_run };
        answer(
            self.node()
                .administer(message.request_id, asked, caller, what)
                .await,
        )
    }

    async fn get_rulebook(
        &self,
        request: Request<pb::GetRulebookRequest>,
    ) -> Result<Response<pb::GetRulebookResponse>, Status> {
        self.may_look(&request, &[])?;
        let message = request.into_inner();
        let node = self.node();
        let registry = self.registry();
        let rulebooks = node.rulebooks.load_full();
        let now = node.clock.now();
        let book = rulebooks.in_force(now);
        let mut bundles = Vec::new();
        for place in rulebooks.way() {
            for bundle in rulebooks.bundles(*place) {
                bundles.push(pb::BundleView {
                    place: place.to_string(),
                    place_name: registry.name(*place),
                    sequence: bundle.sequence,
                    effective_ms: bundle.effective.0,
                    issued_ms: bundle.issued.0,
                    note: bundle.note.clone(),
                    files: bundle
                        .files
                        .keys()
                        .map(|part| part.file().to_owned())
                        .collect(),
                    in_force: book.versions.contains(&(*place, bundle.sequence)),
                });
            }
        }
        let files = if message.files {
            let place = on_way(&message.place, &rulebooks, node.me.at.place, &registry);
            let place = place.map_err(|refusal| status(&refusal))?;
            files(&rulebooks, place, message.sequence, now).map_err(|refusal| status(&refusal))?
        } else {
            Vec::new()
        };
        let passed_over = book.passed_over().iter();
        let passed_over = passed_over
            .map(|passed| pb::RuleProblem {
                place_name: registry.name(passed.issuer),
                ..problem_view(&passed.problem)
            })
            .collect();
        Ok(Response::new(pb::GetRulebookResponse {
            bundles,
            files,
            years: book
                .calendar()
                .years()
                .into_iter()
                .filter_map(|year| u32::try_from(year).ok())
                .collect(),
            calendar_year_missing: book
                .calendar_warning(now)
                .map_or(0, fengqiao_hub::clock::Warning::year),
            passed_over,
            classes: u32::try_from(book.classes().filter(|class| !class.is_group).count())
                .unwrap_or(u32::MAX),
        }))
    }

    async fn list_classes(
        &self,
        request: Request<pb::ListClassesRequest>,
    ) -> Result<Response<pb::ListClassesResponse>, Status> {
        self.caller(&request)?;
        let rules = self.node().rules();
        let classes = rules.classes().map(|class| pb::ClassView {
            class: class.id.clone(),
            parent: class.parent.clone(),
            name_zh: class.name_zh.clone(),
            name_en: class.name_en.clone(),
            lead_unit_kind: class.lead_unit_kind.clone(),
            level_lowest: class.level_lowest,
            takes_cases: !class.is_group,
        });
        Ok(Response::new(pb::ListClassesResponse {
            classes: classes.collect(),
        }))
    }
}

fn on_way(
    called: &str,
    rulebooks: &Rulebooks,
    own: PlaceId,
    registry: &Registry,
) -> Result<PlaceId, Refusal> {
    const FIELD: &str = "place";
    if called.is_empty() {
        return Ok(own);
    }
    let unknown = || Refusal::of(Code::PlaceUnknown, FIELD);
    let top = registry.root().ok_or_else(unknown)?;
    let place = registry.place_called(called, top, FIELD)?;
    rulebooks
        .way()
        .contains(&place)
        .then_some(place)
        .ok_or_else(unknown)
}

fn files(
    rulebooks: &Rulebooks,
    place: PlaceId,
    sequence: u64,
    now: fengqiao_hub::clock::Moment,
) -> Result<Vec<pb::BundleFile>, Refusal> {
    let file = |(part, text): (Part, String)| pb::BundleFile {
        name: part.file().to_owned(),
        content: text.into_bytes(),
    };
    if sequence == 0 {
        return Ok(rulebooks.files(place, now).into_iter().map(file).collect());
    }
    let bundle = rulebooks
        .bundle(place, sequence)
        .ok_or_else(|| Refusal::of(Code::BundleUnknown, "sequence"))?;
    Ok(bundle.files.clone().into_iter().map(file).collect())
}
