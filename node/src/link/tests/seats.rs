//! Who may sit on a chair.

use fengqiao_hub::id::NodeId;

use super::super::seat::{Leave, Seats};
use super::ground::within;
use crate::replication::session::Code;

const NODE: NodeId = NodeId([1; 10]);

#[tokio::test]
async fn a_newer_taker_waits_until_the_older_has_risen() {
    let seats = Seats::default();
    let first_leave = Leave::default();
    let first = seats.take(NODE, "up", first_leave.clone()).await.unwrap();
    let mut second = Box::pin(seats.take(NODE, "up", Leave::default()));
    let waiting = is_waiting(second.as_mut());
    assert!(waiting, "it sits beside the first");
    assert_eq!(within(first_leave.asked()).await, Code::Replaced);
    drop(first);
    assert!(within(second).await.is_some());
}

#[tokio::test]
async fn who_was_overtaken_while_waiting_goes_away() {
    let seats = Seats::default();
    let first = seats.take(NODE, "up", Leave::default()).await.unwrap();
    let mut second = Box::pin(seats.take(NODE, "up", Leave::default()));
    assert!(is_waiting(second.as_mut()));
    let mut third = Box::pin(seats.take(NODE, "up", Leave::default()));
    assert!(is_waiting(third.as_mut()));
    assert!(within(second).await.is_none());
    drop(first);
    assert!(within(third).await.is_some());
}

#[tokio::test]
async fn links_and_nodes_do_not_share_a_chair() {
    let seats = Seats::default();
    let _up = seats.take(NODE, "up", Leave::default()).await.unwrap();
    assert!(
        within(seats.take(NODE, "down", Leave::default()))
            .await
            .is_some()
    );
    assert!(
        within(seats.take(NodeId([2; 10]), "up", Leave::default()))
            .await
            .is_some()
    );
}

/// Whether a future is still waiting.
fn is_waiting<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.poll(&mut context).is_pending()
}
