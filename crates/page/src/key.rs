use bytes::Bytes;
use tokio_postgres::types::{FromSql, ToSql};
use towerblock_core::BoxError;

use crate::keyset::Column;
use crate::value::{decode, encode};

/// The key of a row in memory: a tuple of one to three values, one for each column of the
/// keyset, that could stand in PostgreSQL's columns; `Option` where one may be NULL.
pub trait Key: codec::Codec {}

impl<T: codec::Codec> Key for T {}

pub(crate) mod codec {
    use super::{BoxError, Bytes, Column};

    /// How a key is written is ours to decide.
    #[expect(unnameable_types, reason = "sealed")]
    pub trait Codec: Sized {
        #[doc(hidden)]
        fn encode(&self, columns: &[Column]) -> Result<Vec<Option<Bytes>>, BoxError>;
        #[doc(hidden)]
        fn decode(key: &[Option<Bytes>], columns: &[Column]) -> Result<Self, BoxError>;
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        impl<$($name),+> codec::Codec for ($($name,)+)
        where
            $($name: ToSql + for<'a> FromSql<'a>,)+
        {
            fn encode(&self, columns: &[Column]) -> Result<Vec<Option<Bytes>>, BoxError> {
                #[expect(non_snake_case, reason = "a value has the name of its type")]
                let ($($name,)+) = self;
                let mut columns = columns.iter();
                let key = vec![$(encode($name, next(&mut columns)?.ty())?),+];
                if columns.next().is_some() { Err(short()) } else { Ok(key) }
            }

            fn decode(key: &[Option<Bytes>], columns: &[Column]) -> Result<Self, BoxError> {
                let mut columns = key.iter().zip(columns);
                let key = ($({
                    let (raw, column) = next(&mut columns)?;
                    decode::<$name>(raw.as_deref(), column.ty())?
                },)+);
                if columns.next().is_some() { Err(short()) } else { Ok(key) }
            }
        }
    )+};
}

tuples! { (A) (A B) (A B C) }

fn next<I: Iterator>(columns: &mut I) -> Result<I::Item, BoxError> {
    columns
        .next()
        .ok_or_else(|| "it has more values than the keyset has columns".into())
}

fn short() -> BoxError {
    "it has fewer values than the keyset has columns".into()
}
