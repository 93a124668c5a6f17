//! The actions of a case: what a person asks for, and what becomes of it.
//!
//! One file a family of actions; [`action`] is the table of all. Each decision walks guard by guard; every guard is one
//! refusal. Rules are judged here once, by the writer; whoever reads the entry later only remembers it (PROTOCOL.md 6).

pub mod action;
pub mod authority;
pub mod context;
pub mod supervision;

mod annex;
mod convening;
mod dispatching;
mod escalation;
mod handling;
mod intake;
mod reply;
mod visit;

pub use action::{
    Spec, action_of, apply, class_given, fold, involves, name_of, registration, spec_of,
};
pub use authority::{Who, role_name};
pub use context::{Act, Actor, CaseState, Context, DecisionContext};
pub use convening::PARTIES_MAX;
pub use dispatching::CO_HANDLERS_MAX;
pub use escalation::{TAKING_PAUSE_MS, take_noticed};
pub use intake::{EXTERNAL_NUMBER_CHARACTERS_MAX, Numbering, register};
