//! How many cases are open, by stage and lamp: a count, without a look at any of them.

use std::collections::BTreeMap;

use fengqiao_hub::case::Running;
use fengqiao_hub::clock::Contact;
use fengqiao_hub::id::PlaceId;

use crate::desk::view::lamp_word;
use crate::engine::{EngineError, Listed};
use crate::node::Node;

/// Rows read at once.
const PAGE: usize = 500;
/// Rows counted; beyond, a count is of the first so many by due time.
const CASES_MAX: usize = 200_000;
/// The lamp of a case of which no clock runs.
const NO_LAMP: &str = "none";

/// Open cases whose chain is held, by stage and by the lamp of the clock that ends first.
///
/// # Errors
/// The store does not read.
pub(crate) fn open_cases(node: &Node) -> Result<BTreeMap<(String, String), u64>, EngineError> {
    let (now, here) = (node.clock.now(), node.me.at.place);
    let mut contacts: BTreeMap<PlaceId, Contact> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    let mut after: Option<Vec<u8>> = None;
    for _ in 0..CASES_MAX / PAGE {
        let (listed, next) = node.views.worklist(after.as_deref(), PAGE)?;
        for listed in &listed {
            let Listed::Chain(_, row) = listed else {
                continue;
            };
            let Some(case) = &row.case else {
                continue;
            };
            let custodian = PlaceId::from_bytes(&case.custodian).unwrap_or_default();
            let first = row.clocks.iter().find_map(Running::from_wire);
            let lamp = first.map_or(NO_LAMP, |running| {
                // Who is asked here is not silent, however long the custodian below was.
                let contact = if running.place == here {
                    Contact::Here
                } else {
                    *contacts
                        .entry(custodian)
                        .or_insert_with(|| node.contact(custodian))
                };
                lamp_word(running.lamp(now, contact))
            });
            *counts
                .entry((row.stage.clone(), lamp.to_owned()))
                .or_insert(0) += 1;
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    Ok(counts)
}
