//! What is not seen from outside: the policy, its windows and its clock.

mod gradient;
mod window;
