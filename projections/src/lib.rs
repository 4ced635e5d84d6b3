//! Read models: what people look at, folded from the ledger alone and rebuilt from it at will.
//!
//! ```text
//! released head -> leaves -> Seen -> fold -> Rows -> one commit with the cursor   then   Ask -> Page
//!                  check     typed   views   overlay  engine                             ask, show
//! ```
//!
//! Invariants: rows follow from the entries before the cursor and nothing else; no clock and nothing private in a
//! fold; a view never sees beyond a released head; what cannot be folded is a dead letter, and the rest goes on.

mod ask;
pub mod attention;
mod body;
mod compare;
mod engine;
mod follow;
mod letters;
mod narrative;
mod overlay;
mod rows;
mod seen;
mod show;
mod standing;
mod store;
mod view;
pub mod views;

pub use ask::{AsOf, Ask, COLUMNS, Head, PAGE_ROWS, PAGE_ROWS_MAX, Page, Views, told};
pub use body::{Body, Keep};
pub use compare::{Compared, ViewDigest, build, compare, copy, digests, entries};
pub use engine::{BATCH, Engine, Step};
pub use follow::{Follower, Health, Told};
pub use narrative::{Evidence, Narrative, Sentence};
pub use rows::Rows;
pub use seen::Seen;
pub use show::Show;
pub use view::{Access, Index, NOTE, Order, Poison, Row, View};
pub use views::{QUEUES, Queue, VIEWS};
