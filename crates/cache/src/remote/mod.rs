//! The level that instances share through Redis.

mod level;
mod message;
mod names;
mod outbox;
mod payload;
mod scripts;
#[cfg(test)]
mod tests;
