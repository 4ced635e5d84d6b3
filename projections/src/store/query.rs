//! Which rows answer a question? Filters, one page at a time, and what an unchanged answer is recognised by.

use super::write::{CURSOR, Cursor, cursor};
use super::{COLUMNS, failed, row};
use crate::view::{Index, Order, Row, View};
use chancery_ledger::Result;
use chancery_ledger::format::ids::Scope;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

/// Which rows are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// In this scope and below.
    pub(crate) within: &'a Scope,
    /// About exactly this.
    pub(crate) about: Option<&'a str>,
    /// In exactly this state.
    pub(crate) state: Option<&'a str>,
    /// Beyond this rank and key in the view's order.
    pub(crate) after: Option<(i64, &'a str)>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// The build of a view that queries read, with how far it has come.
pub(crate) fn live(conn: &Connection, view: &View) -> Result<Option<Cursor>> {
    let sql = format!("{CURSOR} WHERE view = ?1 AND live = 1");
    let mut query = conn.prepare_cached(&sql).map_err(failed)?;
    query.query_row([view.name], cursor).optional().map_err(failed)
}

/// The row of a key.
pub(crate) fn find(conn: &Connection, at: &Cursor, key: &str) -> Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM {} WHERE key = ?1", at.table());
    let mut query = conn.prepare_cached(&sql).map_err(failed)?;
    query.query_row([key], row).optional().map_err(failed)
}

/// The condition that a row is in a scope or below.
fn scoped(within: &Scope, values: &mut Vec<Value>) -> String {
    if within.is_root() {
        return String::new();
    }
    values.push(within.as_str().to_owned().into());
    let own = format!("?{}", values.len());
    // `0` is the character after `/`: what lies between is what begins with the scope and a slash.
    format!(" AND (scope = {own} OR (scope > {own} || '/' AND scope < {own} || '0'))")
}

/// A page of rows.
pub(crate) fn page(conn: &Connection, view: &View, at: &Cursor, filter: &Filter<'_>) -> Result<Vec<Row>> {
    let mut sql = format!("SELECT {COLUMNS} FROM {} WHERE scope <> ''", at.table());
    let mut values: Vec<Value> = Vec::new();
    let add = |values: &mut Vec<Value>, value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    sql.push_str(&scoped(filter.within, &mut values));
    if let Some(about) = filter.about {
        let about = add(&mut values, about.to_owned().into());
        sql.push_str(&format!(" AND about = {about}"));
    }
    if let Some(state) = filter.state {
        let state = add(&mut values, state.to_owned().into());
        sql.push_str(&format!(" AND state = {state}"));
    }
    let (beyond, direction) = match view.order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    };
    if let Some((rank, key)) = filter.after {
        let rank = add(&mut values, rank.into());
        let key = add(&mut values, key.to_owned().into());
        sql.push_str(&format!(" AND (rank, key) {beyond} ({rank}, {key})"));
    }
    let limit = add(&mut values, i64::try_from(filter.limit).unwrap_or(i64::MAX).into());
    sql.push_str(&format!(" ORDER BY rank {direction}, key {direction} LIMIT {limit}"));
    let mut query = conn.prepare_cached(&sql).map_err(failed)?;
    let rows = query.query_map(params_from_iter(values), row).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Begins a read of one state of the file.
pub(crate) fn begin_read(conn: &Connection) -> Result<()> {
    conn.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([])).map(|_| ()).map_err(failed)
}

/// Ends it.
pub(crate) fn end_read(conn: &Connection) -> Result<()> {
    conn.prepare_cached("COMMIT").and_then(|mut end| end.execute([])).map(|_| ()).map_err(failed)
}

/// The last deadline of any row that `now` has passed, and the first that it has not.
pub(crate) fn passed(
    conn: &Connection,
    view: &View,
    at: &Cursor,
    now: i64,
) -> Result<(Option<i64>, Option<i64>)> {
    if !view.indexes.contains(&Index::Until) {
        return Ok((None, None));
    }
    let one = |what: &str, which: &str| -> Result<Option<i64>> {
        let table = at.table();
        let sql = format!("SELECT {what}(until) FROM {table} WHERE until IS NOT NULL AND until {which} ?1");
        let mut query = conn.prepare_cached(&sql).map_err(failed)?;
        query.query_row([now], |row| row.get(0)).map_err(failed)
    };
    Ok((one("max", "<=")?, one("min", ">")?))
}

/// How many rows of a view there are for each state and each `step` of ranks, and the smallest rank among them.
pub(crate) fn counts(
    conn: &Connection,
    at: &Cursor,
    within: &Scope,
    step: i64,
) -> Result<Vec<(String, i64, u64, i64)>> {
    let mut values: Vec<Value> = vec![step.into()];
    let scope = scoped(within, &mut values);
    let sql = format!(
        "SELECT state, rank / ?1, count(*), min(rank) FROM {} WHERE scope <> ''{scope} \
         GROUP BY 1, 2 ORDER BY 1, 2",
        at.table()
    );
    let mut query = conn.prepare_cached(&sql).map_err(failed)?;
    let rows = query.query_map(params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?, super::unsigned(row.get(2)?), row.get(3)?))
    });
    rows.map_err(failed)?.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Hands every row of a view on, in the order of the keys.
pub(crate) fn scan(conn: &Connection, at: &Cursor, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM {} ORDER BY key", at.table());
    let mut query = conn.prepare(&sql).map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    while let Some(found) = rows.next().map_err(failed)? {
        each(row(found).map_err(failed)?)?;
    }
    Ok(())
}
