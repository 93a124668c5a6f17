//! Which cases a list is about.

use fengqiao_hub::case::Stage;
use fengqiao_hub::id::PlaceId;
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_hub::number;
use fengqiao_hub::refusal::{Code, Refusal};
use fengqiao_hub::rulebook::Rulebook;
use fengqiao_proto::v1 as pb;

/// Lamps that can be asked for; `none` is that of a case of which no clock runs.
const LAMPS: [&str; 5] = ["green", "amber", "red", "grey", "none"];

/// What a case must be to be listed. What is empty asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    stages: Vec<String>,
    lamps: Vec<String>,
    unit: String,
    class: String,
    place: String,
    number: String,
    external_number: String,
    received: (i64, i64),
    due: (i64, i64),
}

impl Filter {
    /// What a request asks for, its names resolved at the centre `here`.
    ///
    /// # Errors
    /// A refusal that names the field: a word that is none, or a name that is not known.
    pub(super) fn of(
        asked: &pb::ListCasesRequest,
        registry: &Registry,
        rules: &Rulebook,
        here: PlaceId,
    ) -> Result<Self, Refusal> {
        let mut filter = Self {
            stages: asked.stages.clone(),
            lamps: asked.lamps.clone(),
            external_number: asked.external_number.trim().to_owned(),
            received: (asked.received_from_ms, asked.received_before_ms),
            due: (asked.due_from_ms, asked.due_before_ms),
            ..Self::default()
        };
        if let Some(word) = asked
            .stages
            .iter()
            .find(|word| Stage::of_word(word).is_none())
        {
            let words = Stage::ALL.map(Stage::as_str).join(", ");
            return Err(Refusal::of(Code::Malformed, "stages").because(format!("{word}: {words}")));
        }
        if let Some(word) = asked
            .lamps
            .iter()
            .find(|word| !LAMPS.contains(&word.as_str()))
        {
            let words = LAMPS.join(", ");
            return Err(Refusal::of(Code::Malformed, "lamps").because(format!("{word}: {words}")));
        }
        if !asked.unit.is_empty() {
            filter.unit = registry.unit_called(&asked.unit, here, "unit")?.to_string();
        }
        if !asked.class.is_empty() {
            filter.class = rules.class_called(&asked.class)?.id.to_string();
        }
        if !asked.place.is_empty() {
            filter.place = registry
                .place_called(&asked.place, here, "place")?
                .to_string();
        }
        if !asked.number.is_empty() {
            filter.number = number::read(&asked.number).map_err(|error| {
                let code = match error {
                    number::NumberError::Check => Code::NumberCheck,
                    number::NumberError::Shape => Code::Malformed,
                };
                Refusal::of(code, "number")
            })?;
        }
        Ok(filter)
    }

    /// Whether a case, as a list shows it, is one that is asked for.
    pub(super) fn takes(&self, case: &pb::CaseView) -> bool {
        let lamp = if case.lamp.is_empty() {
            "none"
        } else {
            case.lamp.as_str()
        };
        let at = [&case.custodian, &case.origin_id, &case.place_id];
        one_of(&self.stages, &case.stage)
            && one_of(&self.lamps, lamp)
            && same(&self.unit, &case.lead_id)
            && same(&self.class, &case.class)
            && (self.place.is_empty() || at.contains(&&self.place))
            && same(&self.number, &case.number)
            && same(&self.external_number, &case.external_number)
            && within(self.received, case.received_ms)
            && within(self.due, case.due_ms)
    }
}

fn one_of(asked: &[String], word: &str) -> bool {
    asked.is_empty() || asked.iter().any(|asked| asked == word)
}

fn same(asked: &str, found: &str) -> bool {
    asked.is_empty() || asked == found
}

/// From the first on and before the second; 0 is no end. A case without the time is within no end that is set.
fn within((from, before): (i64, i64), at: i64) -> bool {
    (from == 0 && before == 0) || (at != 0 && at >= from && (before == 0 || at < before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> pb::CaseView {
        pb::CaseView {
            number: "371427-100000016".to_owned(),
            stage: "accepted".to_owned(),
            lamp: "red".to_owned(),
            class: "urban-roads".to_owned(),
            custodian: "here".to_owned(),
            origin_id: "village".to_owned(),
            external_number: "A-1".to_owned(),
            lead_id: "roads".to_owned(),
            received_ms: 100,
            due_ms: 200,
            ..Default::default()
        }
    }

    #[test]
    fn each_field_asks_for_itself_and_all_of_them_together() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let any = Filter::default();
        let table = [
            (any.clone(), true),
            (
                Filter {
                    stages: words(&["closed", "accepted"]),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    stages: words(&["closed"]),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    lamps: words(&["red"]),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    lamps: words(&["none"]),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    unit: "roads".into(),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    unit: "water".into(),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    class: "urban-water".into(),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    place: "village".into(),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    place: "here".into(),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    place: "elsewhere".into(),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    external_number: "A-1".into(),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    external_number: "A".into(),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    received: (100, 101),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    received: (0, 100),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    due: (201, 0),
                    ..any.clone()
                },
                false,
            ),
            (
                Filter {
                    due: (0, 201),
                    lamps: words(&["red"]),
                    ..any.clone()
                },
                true,
            ),
            (
                Filter {
                    due: (0, 201),
                    lamps: words(&["amber"]),
                    ..any
                },
                false,
            ),
        ];
        for (filter, taken) in table {
            assert_eq!(filter.takes(&case()), taken, "{filter:?}");
        }
    }

    #[test]
    fn a_case_without_a_time_is_before_no_time() {
        let never = pb::CaseView {
            due_ms: 0,
            ..case()
        };
        let filter = Filter {
            due: (0, 500),
            ..Filter::default()
        };
        assert!(!filter.takes(&never));
        assert!(Filter::default().takes(&never));
    }
}
