use std::convert::Infallible;
use std::future::ready;
use std::num::NonZero;

use http::Request;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use towerblock_core::BoxError;
use towerblock_page::{KeyRing, Keyset, Page, PageError, PageLayer, PageRequest, Seek};

/// A list in the database, and how it is sorted.
#[derive(Debug)]
pub(crate) struct List<'l> {
    pub(crate) keyset: &'l Keyset,
    pub(crate) tables: &'l str,
    pub(crate) filter: &'l str,
    pub(crate) parameters: &'l [(&'l (dyn ToSql + Sync), Type)],
}

impl<'l> List<'l> {
    pub(crate) fn of(keyset: &'l Keyset, tables: &'l str) -> Self {
        Self {
            keyset,
            tables,
            filter: "",
            parameters: &[],
        }
    }

    /// The ids of a page.
    pub(crate) async fn page(
        &self,
        client: &Client,
        size: usize,
        cursor: Option<&str>,
    ) -> Result<Page<i32>, PageError> {
        let seek = seek(self.keyset, size, cursor).await?;
        let query = seek
            .query("id", self.tables)
            .filter(self.filter, self.parameters);
        query.fetch(client, id).await
    }

    /// The last page, found by going there.
    pub(crate) async fn last(&self, client: &Client, size: usize) -> Page<i32> {
        let mut page = self.page(client, size, None).await.unwrap();
        for _ in 0..1_000 {
            let Some(next) = page.next() else {
                return page;
            };
            page = self.page(client, size, Some(next)).await.unwrap();
        }
        panic!("the way down takes no end");
    }

    /// All ids, page by page from the end.
    pub(crate) async fn walk_back(&self, client: &Client, size: usize) -> Vec<i32> {
        let mut page = self.last(client, size).await;
        let mut ids = page.items().to_vec();
        while let Some(prev) = page.prev() {
            page = self.page(client, size, Some(prev)).await.unwrap();
            ids.splice(0..0, page.items().iter().copied());
            assert!(ids.len() < 1_000, "{ids:?} takes no end");
        }
        ids
    }

    /// All ids, page by page from the top.
    pub(crate) async fn walk(&self, client: &Client, size: usize) -> Vec<i32> {
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.page(client, size, cursor.as_deref()).await.unwrap();
            ids.extend_from_slice(page.items());
            assert!(ids.len() < 1_000, "{ids:?} takes no end");
            cursor = page.next().map(str::to_owned);
            if cursor.is_none() {
                return ids;
            }
            assert_eq!(page.items().len(), size, "a page that has a next is full");
        }
    }
}

pub(crate) fn id(row: &Row) -> Result<i32, BoxError> {
    Ok(row.try_get("id")?)
}

/// What a request for this page comes to.
pub(crate) async fn seek(
    keyset: &Keyset,
    size: usize,
    cursor: Option<&str>,
) -> Result<Seek, PageError> {
    let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
    let uri = format!("/list?limit={size}{cursor}");
    let layer = PageLayer::new(KeyRing::new([[7; 32]]).unwrap()).max_size(NonZero::<u16>::MAX);
    let take =
        service_fn(|request: Request<()>| ready(Ok::<_, Infallible>(request.into_parts().0)));
    let request = Request::get(uri).body(()).unwrap();
    let parts = layer.layer(take).oneshot(request).await.unwrap();
    PageRequest::read(&parts)?.seek(keyset)
}
