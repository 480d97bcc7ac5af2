//! What is not seen from outside: the policy, its windows and its clock.

mod alarm;
mod gradient;
mod meter;
mod window;
