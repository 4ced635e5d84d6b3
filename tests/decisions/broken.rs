//! Does each invariant of the chain fail when it is broken?
