//! The shop's life: rounds of small transactions which together make every kind of event.

use std::time::Duration;

use pgsluice::postgres::client::{Connection, Login, Mode};
use pgsluice::postgres::transport::stream::Stream;
use tokio::time::sleep;

use crate::screen::Screen;
use crate::support::Result;

const CUSTOMERS: [&str; 6] = ["Ada", "Grace", "Edgar", "Barbara", "Tony", "Radia"];
/// Rounds of an unattended demo: the second shows what the first one's truncate has left.
const ROUNDS: u32 = 2;
/// Which rounds have a truncate and a great many prices.
const RARE: u32 = 10;
/// Rows of one great transaction, so that the slot's lag can be seen.
const PRICES: u32 = 20_000;

/// How fast it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between two transactions.
    step: Duration,
    /// Between two rounds: the slot's lag falls to zero meanwhile.
    round: Duration,
    rounds: u32,
}

impl Pace {
    /// A person reads along, for as long as it pleases.
    pub(crate) const ATTENDED: Self =
        Self { step: Duration::from_millis(700), round: Duration::from_secs(6), rounds: u32::MAX };
    /// Nobody does.
    pub(crate) const UNATTENDED: Self =
        Self { step: Duration::from_millis(150), round: Duration::from_secs(1), rounds: ROUNDS };
}

/// Writes until the rounds are done.
pub(crate) async fn run(screen: &Screen, login: &Login, pace: Pace) -> Result<()> {
    let mut session = login.connect(Mode::Sql).await?;
    for round in 0..pace.rounds {
        if round > 0 {
            sleep(pace.round).await;
        }
        for (what, sql) in transactions(round) {
            screen.remark(&format!("-- {what}"))?;
            commit(&mut session, &sql).await?;
            sleep(pace.step).await;
        }
    }
    Ok(())
}

/// Several statements in one message are one transaction.
async fn commit(session: &mut Connection<Stream>, sql: &str) -> Result<()> {
    session.query(sql).await.map_err(|error| format!("the load failed: {error}, in: {sql}"))?;
    Ok(())
}

/// What a round does, in the words shown and in SQL.
fn transactions(round: u32) -> Vec<(String, String)> {
    let (customer, order) = (round + 1, round + 101);
    let name =
        CUSTOMERS.iter().cycle().nth(usize::try_from(round % 6).unwrap_or(0)).copied().unwrap_or("Ada");
    let audit = |what: &str| format!("INSERT INTO public.audit (who, what) VALUES ('{name}', '{what}')");
    let mut all = vec![
        (
            format!("{name} signs up: a customer and a line of audit, in one transaction"),
            format!(
                "INSERT INTO public.customers (id, name) VALUES ({customer}, '{name}'); {}",
                audit("signed up")
            ),
        ),
        (
            format!("{name} orders two things"),
            format!(
                "INSERT INTO public.orders (id, customer_id, total) VALUES ({order}, {customer}, 42.50); \
                 INSERT INTO public.order_items VALUES ({order}, 1, 'teapot', 1, 32.50), ({order}, 2, 'cup', 4, 2.50); {}",
                audit("ordered")
            ),
        ),
        (
            format!("{name} pays; a logical message tells it to whom it may concern"),
            format!(
                "UPDATE public.orders SET status = 'paid' WHERE id = {order}; \
                 SELECT pg_logical_emit_message(true, 'payments', 'order {order} is paid')"
            ),
        ),
        (
            format!("{name} becomes a gold customer"),
            format!("UPDATE public.customers SET tier = 'gold' WHERE id = {customer}"),
        ),
        (
            "an item's line is renumbered, which changes its key: delete, tombstone, insert".to_owned(),
            format!("UPDATE public.order_items SET line = 9 WHERE order_id = {order} AND line = 2"),
        ),
        (
            format!("{name} sends all of it back: the order goes, and its items with it"),
            format!("DELETE FROM public.orders WHERE id = {order}"),
        ),
    ];
    if round.is_multiple_of(RARE) {
        all.push(("the audit is emptied".to_owned(), "TRUNCATE public.audit".to_owned()));
        all.push((
            format!("{PRICES} prices change in one transaction"),
            format!(
                "INSERT INTO public.prices SELECT 'product ' || n, {round} + n / 100.0 \
                 FROM generate_series(1, {PRICES}) n ON CONFLICT (product) DO UPDATE SET price = excluded.price"
            ),
        ));
    }
    all
}
