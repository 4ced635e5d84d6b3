//! Which questions are answered? One file each, one line each.

mod timeline;

use crate::letters;
use crate::view::View;

/// Every view, in the order in which they are listed.
pub static VIEWS: &[&View] = &[&timeline::VIEW, &letters::VIEW];

/// The view of this name.
pub fn view(name: &str) -> Option<&'static View> {
    VIEWS.iter().copied().find(|view| view.name == name)
}
