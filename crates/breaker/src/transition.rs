use crate::State;

/// The last change of a circuit's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// How many changes there were, this one included. A receiver may miss some, and never
    /// sees them out of order.
    pub generation: u32,
}
