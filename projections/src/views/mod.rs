//! Which questions are answered? One file each, one line each.

pub(crate) mod acknowledgements;
pub(crate) mod attention;
mod timeline;

pub(crate) use acknowledgements::VIEW as ACKNOWLEDGEMENTS;
pub(crate) use attention::VIEW as ATTENTION;
pub use attention::{QUEUES, Queue};

use crate::letters;
use crate::view::View;

/// Every view, in the order in which they are listed.
pub static VIEWS: &[&View] = &[&timeline::VIEW, &attention::VIEW, &acknowledgements::VIEW, &letters::VIEW];

/// The view of this name.
pub fn view(name: &str) -> Option<&'static View> {
    VIEWS.iter().copied().find(|view| view.name == name)
}
