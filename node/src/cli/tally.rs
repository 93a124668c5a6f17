//! `fengqiao tally`: the daily figures this node holds, its own and those from below.

use std::collections::BTreeMap;

use clap::Args;
use fengqiao_proto::v1 as pb;
use serde_json::json;

use super::Context;
use super::failure::{Call, Failure};
use super::output::table;

/// Arguments of `tally`.
#[derive(Debug, Args)]
pub struct TallyArgs {
    /// Add the figures of all nodes and days together
    #[arg(long)]
    total: bool,
}

impl TallyArgs {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.request(pb::ListTalliesRequest {})?;
        let mut client = context.casework().await?;
        let answer = context
            .call(&Call::Read, client.list_tallies(request))
            .await?;
        let rows = rows(&answer.tallies, self.total);
        context.answer(
            || {
                let header = [
                    "DAY 日期",
                    "NODE 节点",
                    "CLASS 类别",
                    "MOVE 事项",
                    "COUNT 件数",
                ];
                let cells: Vec<Vec<String>> = rows
                    .iter()
                    .map(|((day, node, class, name), count)| {
                        vec![
                            day.clone(),
                            node.clone(),
                            class.clone(),
                            name.clone(),
                            count.to_string(),
                        ]
                    })
                    .collect();
                table(&header, &cells)
            },
            || {
                json!({ "tallies": rows.iter().map(|((day, node, class, name), count)| json!({
                    "day": day, "node": node, "class": class, "name": name, "count": count,
                })).collect::<Vec<_>>() })
            },
        )
    }
}

type Key = (String, String, String, String);

fn rows(tallies: &[pb::Tally], total: bool) -> BTreeMap<Key, u64> {
    let mut rows: BTreeMap<Key, u64> = BTreeMap::new();
    for tally in tallies {
        let day = fengqiao_hub::clock::Moment(i64::from(tally.day) * 86_400_000);
        let day = day
            .to_rfc3339(0)
            .map(|text| text.chars().take(10).collect::<String>())
            .unwrap_or_default();
        let node = fengqiao_hub::id::base32(&tally.node);
        for count in &tally.counts {
            let key = if total {
                (
                    String::from("*"),
                    String::from("*"),
                    tally.class.clone(),
                    count.name.clone(),
                )
            } else {
                (
                    day.clone(),
                    node.clone(),
                    tally.class.clone(),
                    count.name.clone(),
                )
            };
            *rows.entry(key).or_default() += count.count;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_adds_days_and_nodes_but_not_classes() {
        let tally = |day, class: &str, count| pb::Tally {
            day,
            class: class.into(),
            counts: vec![pb::TallyCount {
                name: "register".into(),
                count,
            }],
            ..Default::default()
        };
        let tallies = [tally(1, "a", 2), tally(2, "a", 3), tally(2, "b", 5)];
        let counts: Vec<u64> = rows(&tallies, true).into_values().collect();
        assert_eq!(counts, [5, 5]);
        assert_eq!(rows(&tallies, false).len(), 3);
    }
}
