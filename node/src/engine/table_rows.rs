//! Rows of tables that people bring: judged by the rules of the single requests, all of them before one is written.

use fengqiao_hub::casework::Actor;
use fengqiao_hub::id::PlaceId;
use fengqiao_hub::jurisdiction::{Comparison, Division, compare};
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_proto::v1 as pb;
use pb::body::Content;
use prost::Message as _;

use super::EngineError;
use super::group::Group;
use super::requests::{Answer, Asked, CaseMove, Told, accept};
use super::requests::{CaseRow, TableRows};

/// Rows of divisions compared at once.
const DIVISIONS_MAX: usize = 20_000;
/// Places written in one record.
const PLACES_A_RECORD: usize = 500;

impl Group<'_> {
    /// Judges rows, and writes them if that is asked for.
    pub(crate) fn import_rows(&mut self, actor: &Actor, rows: TableRows) -> Told {
        if self.read_only {
            return Ok(Err(Refusal::of(Code::ReadOnly, "")));
        }
        match rows {
            TableRows::Cases { rows, judge_only } => self.import_cases(actor, rows, judge_only),
            TableRows::Places {
                rows,
                judge_only,
                partial,
            } => self.import_places(actor, &rows, judge_only, partial),
        }
    }

    fn import_cases(&mut self, actor: &Actor, rows: Vec<CaseRow>, judge_only: bool) -> Told {
        let mut verdicts = Vec::with_capacity(rows.len());
        for row in &rows {
            verdicts.push(accept!(self.judge_case_row(actor, row)?));
        }
        let sound = |verdict: &pb::RowVerdict| {
            matches!(
                verdict.outcome(),
                pb::RowOutcome::New | pb::RowOutcome::Known
            )
        };
        if !judge_only && verdicts.iter().all(sound) {
            for (verdict, row) in verdicts.iter_mut().zip(rows) {
                if verdict.outcome() == pb::RowOutcome::New
                    && let Ok(what) = row.what
                {
                    let asked = Asked::of_row(&row.request_id, row.asked);
                    *verdict = accept!(self.write_case_row(actor, asked, what)?);
                }
            }
        }
        let answer = pb::ImportCasesResponse { rows: verdicts };
        Ok(Ok(answer.encode_to_vec()))
    }

    fn judge_case_row(
        &mut self,
        actor: &Actor,
        row: &CaseRow,
    ) -> Result<Result<pb::RowVerdict, Refusal>, EngineError> {
        let what = match &row.what {
            Ok(what) => what,
            Err(refusal) => return Ok(Ok(refused(refusal))),
        };
        let judged = self.judge_registration(actor, what.action.clone());
        // What is about no field is about who asks or where: it is the same for every row, and comes before what others
        // brought is told.
        if let Err(refusal) = &judged
            && refusal.field.is_empty()
        {
            return Ok(Err(refusal.clone()));
        }
        match self.row_before(&Asked::of_row(&row.request_id, row.asked))? {
            Some((asked, answer)) if asked == row.asked => {
                return Ok(Ok(case_verdict(pb::RowOutcome::Known, answer)));
            }
            Some((_, answer)) => {
                let differs = Refusal::of(Code::RowDiffers, "").because(answer.number.clone());
                return Ok(Ok(pb::RowVerdict {
                    outcome: pb::RowOutcome::Changed.into(),
                    id: answer.case,
                    name: answer.number,
                    ..refused(&differs)
                }));
            }
            None => {}
        }
        Ok(Ok(judged.map_or_else(
            |refusal| refused(&refusal),
            |()| verdict(pb::RowOutcome::New),
        )))
    }

    fn write_case_row(
        &mut self,
        actor: &Actor,
        asked: Asked,
        what: CaseMove,
    ) -> Result<Result<pb::RowVerdict, Refusal>, EngineError> {
        // An earlier row of the same call may have been the same.
        if let Some((_, answer)) = self.row_before(&asked)? {
            return Ok(Ok(case_verdict(pb::RowOutcome::Known, answer)));
        }
        self.linked = what.linked;
        self.contact = what.contact;
        let answer = accept!(self.register(actor, what.action, what.content.as_ref())?);
        let secret_code = answer.secret_code.clone();
        let kept = pb::ActResponse {
            secret_code: String::new(),
            secret_withheld: true,
            ..answer
        };
        self.answered(asked, Answer::of(&kept))?;
        Ok(Ok(pb::RowVerdict {
            secret_code,
            ..case_verdict(pb::RowOutcome::New, kept)
        }))
    }

    fn import_places(
        &mut self,
        actor: &Actor,
        rows: &[Division],
        judge_only: bool,
        partial: bool,
    ) -> Told {
        accept!(administers(actor));
        if self.me.at.unit.is_some() {
            return Ok(Err(Refusal::of(Code::NotCustodian, "")));
        }
        if rows.len() > DIVISIONS_MAX {
            return Ok(Err(
                Refusal::of(Code::OutOfRange, "rows").because(format!("1-{DIVISIONS_MAX}"))
            ));
        }
        let here = self.me.at.place;
        accept!(self.gate(fengqiao_hub::id::ChainId::of_place(here))?);
        let registry = self.registry();
        let compared = compare(&registry, here, rows);
        let verdicts: Vec<pb::RowVerdict> = compared
            .iter()
            .map(|(_, comparison)| place_verdict(&registry, comparison))
            .collect();
        let any_refused = verdicts
            .iter()
            .any(|verdict| verdict.outcome() == pb::RowOutcome::Refused);
        let to_write = compared
            .iter()
            .filter_map(|(row, comparison)| match comparison {
                Comparison::New => Some((row, None)),
                Comparison::Changed(place) => Some((row, Some(*place))),
                Comparison::Known(_)
                | Comparison::Ended(_)
                | Comparison::Moved(_)
                | Comparison::Refused(_) => None,
            });
        let to_write: Vec<(&Division, Option<PlaceId>)> = to_write.collect();
        let mut remaining = to_write.len();
        if !judge_only && (partial || !any_refused) {
            for (row, place) in to_write.into_iter().take(PLACES_A_RECORD) {
                let place = place.unwrap_or_else(|| PlaceId(self.vault.draw()));
                let content = Content::from(pb::PlaceAdded {
                    place: place.to_vec(),
                    code: row.code.clone(),
                    name: row.name.clone(),
                    level: row.level,
                });
                self.registry_entry(actor.person, content)?;
                remaining -= 1;
            }
        }
        let answer = pb::ImportPlacesResponse {
            rows: verdicts,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        };
        Ok(Ok(answer.encode_to_vec()))
    }
}

fn administers(actor: &Actor) -> Result<(), Refusal> {
    if actor.roles.contains(&pb::Role::Administrator) {
        return Ok(());
    }
    let role = fengqiao_hub::casework::role_name(pb::Role::Administrator);
    Err(Refusal::of(Code::RoleMissing, "").because(role))
}

fn verdict(outcome: pb::RowOutcome) -> pb::RowVerdict {
    pb::RowVerdict {
        outcome: outcome.into(),
        ..pb::RowVerdict::default()
    }
}

fn refused(refusal: &Refusal) -> pb::RowVerdict {
    pb::RowVerdict {
        code: refusal.code.as_str().to_owned(),
        field: refusal.field.to_owned(),
        english: refusal.english(),
        chinese: refusal.chinese(),
        ..verdict(pb::RowOutcome::Refused)
    }
}

fn case_verdict(outcome: pb::RowOutcome, answer: pb::ActResponse) -> pb::RowVerdict {
    pb::RowVerdict {
        id: answer.case,
        name: answer.number,
        ..verdict(outcome)
    }
}

fn place_verdict(
    registry: &fengqiao_hub::jurisdiction::Registry,
    comparison: &Comparison,
) -> pb::RowVerdict {
    let standing = |outcome, place: &PlaceId| {
        let known = registry.place(*place);
        let name = known.map(|known| format!("{} {}", known.name, known.code));
        pb::RowVerdict {
            id: place.to_string(),
            name: name.unwrap_or_default().trim_end().to_owned(),
            ..verdict(outcome)
        }
    };
    let passed_over = |place: &PlaceId, why: Refusal| {
        let standing = standing(pb::RowOutcome::PassedOver, place);
        pb::RowVerdict {
            id: standing.id,
            name: standing.name,
            outcome: pb::RowOutcome::PassedOver.into(),
            ..refused(&why)
        }
    };
    match comparison {
        Comparison::New => verdict(pb::RowOutcome::New),
        Comparison::Known(place) => standing(pb::RowOutcome::Known, place),
        Comparison::Changed(place) => standing(pb::RowOutcome::Changed, place),
        Comparison::Ended(place) => {
            let successor = registry.standing_successor(*place);
            let successor = successor.map_or_else(String::new, |place| registry.name(place));
            passed_over(
                place,
                Refusal::of(Code::DivisionEnded, "code").because(successor),
            )
        }
        Comparison::Moved(place) => {
            let parent = registry.place(*place).and_then(|place| place.parent);
            let parent = parent.map_or_else(String::new, |parent| registry.name(parent));
            passed_over(
                place,
                Refusal::of(Code::DivisionElsewhere, "parent").because(parent),
            )
        }
        Comparison::Refused(refusal) => refused(refusal),
    }
}
