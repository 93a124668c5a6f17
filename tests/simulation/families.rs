//! Families of tables: one that another version of its projector wrote is built anew from the journal, and no other; and
//! what lists show stands in rows.

use std::sync::Arc;

use fengqiao_node::engine::{Listed, Views, row_of};
use fengqiao_node::journal::{JournalError, JournalReader, Location, Position, Record};
use fengqiao_node::store::{Batch, Store, all_rows, tables};
use fengqiao_proto::v1 as pb;
use fengqiao_tests::kit::moves;
use fengqiao_tests::rows::differing;

use super::acts::decision;
use super::{FourTiers, four_tiers, register, run};

/// What stands below a prefix.
fn standing(store: &dyn Store, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    all_rows(store, prefix).unwrap()
}

/// A township's store is changed while its process is down; then it starts again over it.
fn started_over(change: impl Fn(&mut Batch)) {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let case = register(&mut world, village);
    run(&mut world, village, case, &[moves::accept()]);
    world.settle();
    let store = Arc::clone(world.nodes[&township].views.store());
    let receipts = standing(store.as_ref(), &tables::receipts());
    assert!(!receipts.is_empty());

    let mut batch = Batch::new();
    for (key, _) in standing(store.as_ref(), b"o") {
        batch.remove(key);
    }
    batch.put(
        [b"k".as_slice(), &[7; 26]].concat(),
        b"as another version wrote it",
    );
    change(&mut batch);
    store.apply(&batch, store.applied().unwrap()).unwrap();
    world.start_over(township, Arc::clone(&store));

    let node = &world.nodes[&township];
    let found = differing(&node.me, node.views.reader().as_ref(), store.as_ref()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("table 'x'"),
        "another family is left alone: {found:?}"
    );
    assert_eq!(standing(store.as_ref(), &tables::receipts()), receipts);
    let up = node.me.at.up(&node.engine.registry()).unwrap();
    let owed = node.views.lane(up, pb::Lane::Cases).unwrap().owed;
    assert!(owed > 0);
    world.settle();
    world.assert_links_agree();
}

/// A row of another family that no journal says, to see that nobody looks.
fn mark(batch: &mut Batch) {
    batch.put([b"x".as_slice(), &[7; 32]].concat(), Vec::new());
}

#[test]
fn what_another_version_wrote_is_built_anew_alone() {
    started_over(|batch| {
        mark(batch);
        batch.put(tables::projector("links"), 0_u64.to_be_bytes());
    });
}

#[test]
fn a_process_that_died_while_it_built_anew_begins_again() {
    started_over(|batch| {
        mark(batch);
        batch.remove(tables::projector("links"));
    });
}

/// A journal that nobody may look into.
#[derive(Debug)]
struct Shut;

impl JournalReader for Shut {
    fn read(&self, _: Location) -> Result<Vec<u8>, JournalError> {
        Err(JournalError::Absent)
    }

    fn tail(&self, _: Position) -> Box<dyn Iterator<Item = Result<Record, JournalError>> + '_> {
        Box::new(std::iter::once(Err(JournalError::Absent)))
    }
}

#[test]
fn lists_read_rows_and_no_chain() {
    let FourTiers {
        mut world,
        township,
        village,
        ..
    } = four_tiers();
    let cases = [(); 3].map(|()| register(&mut world, village));
    world.settle();
    run(&mut world, township, cases[0], &[decision()]);
    run(&mut world, village, cases[0], &[moves::accept()]);
    world.settle();
    let node = &world.nodes[&village];
    let store = Arc::clone(node.views.store());
    let shut = Views::new(Arc::clone(node.views.me()), store, Arc::new(Shut));
    for page in [shut.worklist(None, 100), shut.all_cases(None, 100)] {
        let (listed, _) = page.unwrap();
        assert_eq!(listed.len(), cases.len());
        for listed in listed {
            let Listed::Chain(id, row) = listed else {
                panic!("its own case by notice only");
            };
            let chain = world.chain(village, id);
            assert_eq!(*row, row_of(&chain, village));
            let overtaken = row.case.unwrap().own_overtaken;
            assert_eq!(overtaken, u32::from(id == cases[0]));
        }
    }
}
