//! Pages over HTTP: what people with a browser look at, and the operations port.
//!
//! Each page is written on the server and works without JavaScript. A page decides nothing: it asks the desk of the same
//! process as the account that is signed in, so that it shows what the command line shows, and whatever is refused there
//! is refused here with the same code and words. A form is made from the descriptor of its action.
//!
//! `router` lists every route; `guard` stands before them all; `visit` is who asks, in which language; the rest is a file a
//! page.

pub(crate) mod operations;

mod act;
mod case;
mod certificate;
mod entering;
pub(crate) mod entrance;
mod finding;
mod form;
mod guard;
mod house;
mod listening;
mod metrics;
mod office;
mod public;
mod register;
mod router;
mod serve;
mod supervision;
mod today;
mod visit;
mod words;
mod work;

pub use router::{ROUTES, Route, Who};
pub(crate) use serve::{PLACES, serve, tls};
