//! Explores a model to its end and says what was found.

use std::fmt::Debug;
use std::hash::Hash;
use std::io::Write as _;
use std::time::Instant;

use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker as _, Expectation, HasDiscoveries, Model};

/// Explores every state; each property must hold and everything that must be reached is reached.
///
/// # Panics
/// With the way to the state that shows the contrary.
pub(crate) fn holds<M>(name: &'static str, model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let began = Instant::now();
    let properties = model.properties();
    let checker = model.checker().threads(2).spawn_bfs();
    let checker = checker.join_and_report(&mut Progress { name, said: 0 });
    for property in &properties {
        let found = checker.discovery(property.name);
        match (&property.expectation, found) {
            (Expectation::Always, Some(path)) => {
                let state = path.last_state().clone();
                panic!(
                    "{name}: broken: {}\n{:#?}\n{state:?}",
                    property.name,
                    path.into_actions()
                );
            }
            (Expectation::Sometimes | Expectation::Eventually, None) => {
                panic!("{name}: never reached: {}", property.name);
            }
            _ => {}
        }
    }
    let states = checker.unique_state_count();
    say(&format!(
        "{name}: {states} states, depth {}, {:.1} s",
        checker.max_depth(),
        began.elapsed().as_secs_f32()
    ));
    states
}

/// Explores a model with a broken rule until a property falls; gives the way there.
///
/// # Panics
/// When it holds.
pub(crate) fn breaks<M>(name: &'static str, model: M, property: &'static str) -> Vec<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let wanted = HasDiscoveries::AnyOf(std::collections::BTreeSet::from([property]));
    let checker = model
        .checker()
        .threads(2)
        .finish_when(wanted)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discovery(property) else {
        panic!("{name}: {states} states and \"{property}\" holds, although a rule is broken");
    };
    let way = path.into_actions();
    say(&format!(
        "{name}: caught after {states} states, in {} steps: {property}",
        way.len()
    ));
    way
}

/// Past the harness, which holds back what tests print: exploring takes long enough to be watched.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Seconds between two lines about a model still being explored.
const PROGRESS_S: u64 = 5;

struct Progress {
    name: &'static str,
    /// Lines said so far.
    said: u64,
}

impl<M: Model> Reporter<M> for Progress {
    fn report_checking(&mut self, data: ReportData) {
        if !data.done && data.duration.as_secs() >= (self.said + 1) * PROGRESS_S {
            self.said = data.duration.as_secs() / PROGRESS_S;
            say(&format!(
                "{}: {} states, depth {}, {} s",
                self.name,
                data.unique_states,
                data.max_depth,
                data.duration.as_secs()
            ));
        }
    }

    fn report_discoveries(
        &mut self,
        _: &M,
        _: std::collections::BTreeMap<&'static str, ReportDiscovery<M>>,
    ) where
        M::Action: Debug + PartialEq,
        M::State: Debug + Hash + PartialEq,
    {
    }

    fn delay(&self) -> std::time::Duration {
        std::time::Duration::from_millis(50)
    }
}
