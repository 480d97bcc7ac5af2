//! Key values as PostgreSQL's binary form has them. They are never looked into, so any
//! type travels, to its last digit.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use towerblock_core::BoxError;

/// A value that is not NULL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Raw(pub(crate) Bytes);

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Bytes::copy_from_slice(raw)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Whether a column of a row is NULL, whatever its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsNotNull;

impl FromSql<'_> for IsNotNull {
    fn from_sql(_: &Type, _: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value of the caller's, as PostgreSQL would have it.
pub(crate) fn encode<T: ToSql>(value: &T, ty: &Type) -> Result<Option<Bytes>, BoxError> {
    let mut out = BytesMut::new();
    Ok(match value.to_sql_checked(ty, &mut out)? {
        IsNull::Yes => None,
        IsNull::No => Some(out.freeze()),
    })
}

/// And back.
pub(crate) fn decode<T>(raw: Option<&[u8]>, ty: &Type) -> Result<T, BoxError>
where
    T: for<'a> FromSql<'a>,
{
    if !T::accepts(ty) {
        let wanted = std::any::type_name::<T>();
        return Err(format!("a value of the type {ty} is no {wanted}").into());
    }
    T::from_sql_nullable(ty, raw)
}
