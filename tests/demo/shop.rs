//! The shop's tables.

use pgsluice::postgres::client::{Login, Mode};

use crate::support::Result;

/// `orders` prints whole old rows, the others the key alone; `audit` has no key at all.
const TABLES: &str = "
CREATE TABLE public.customers (
    id integer PRIMARY KEY,
    name text NOT NULL,
    tier text NOT NULL DEFAULT 'basic'
);
CREATE TABLE public.orders (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES public.customers,
    status text NOT NULL DEFAULT 'new',
    total numeric(10, 2) NOT NULL
);
ALTER TABLE public.orders REPLICA IDENTITY FULL;
CREATE TABLE public.order_items (
    order_id integer REFERENCES public.orders ON DELETE CASCADE,
    line integer,
    product text NOT NULL,
    quantity integer NOT NULL,
    price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE public.prices (
    product text PRIMARY KEY,
    price numeric(10, 2) NOT NULL
);
CREATE TABLE public.audit (
    who text NOT NULL,
    what text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);";

/// Makes them.
pub(crate) async fn create(login: &Login) -> Result<()> {
    login.connect(Mode::Sql).await?.query(TABLES).await?;
    Ok(())
}
