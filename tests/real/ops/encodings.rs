//! Databases that are not in UTF-8.

use serde_json::json;

use crate::ops::pipeline::Pipeline;
use crate::ops::slot;
use crate::suite::Suite;

const MAJORS: [u16; 3] = [12, 15, 18];

pub(crate) fn register(suite: &mut Suite) {
    for (encoding, name, text) in
        [("LATIN1", "latin1", "Käse à la crème ÿ"), ("EUC_JP", "euc_jp", "日本語 ｶﾅ 彅")]
    {
        suite.postgres(MAJORS, &format!("{name}_becomes_utf8"), async move |context| {
            let pipeline = Pipeline::new(context, &context.database(encoding)?, &context.kafka()?);
            let mut session = pipeline.session()?;
            session.query("CREATE TABLE t (id text PRIMARY KEY, v text)")?;
            let sluice = pipeline.stream()?;
            session.query(&format!("INSERT INTO t VALUES ('{text}', '{text}')"))?;
            pipeline.catches_up(&sluice)?;
            sluice.terminate()?;
            let seen = pipeline.events("public.t")?;
            let event = seen.first().ok_or("no event")?;
            assert_eq!(event.key, json!({"id": text}));
            assert_eq!(event.after(), &json!({"id": text, "v": text}));
            Ok(())
        });
    }
    suite.postgres(MAJORS, "bytes_that_are_no_text_stop_it", async |context| {
        let pipeline = Pipeline::new(context, &context.database("SQL_ASCII")?, &context.kafka()?);
        let mut session = pipeline.session()?;
        session.query("CREATE TABLE t (id int PRIMARY KEY, v text)")?;
        let sluice = pipeline.stream()?;
        session.query("INSERT INTO t VALUES (1, 'Käse')")?;
        pipeline.catches_up(&sluice)?;
        session.query(r"INSERT INTO t VALUES (2, E'K\xe4se')")?;
        session.query("INSERT INTO t VALUES (3, 'behind it')")?;
        sluice.ended()?.refused(1, &["at LSN ", "public.t", "SQL_ASCII", "nothing from this change on"]);
        // Nor does the next start step over it.
        pipeline.refusal()?.refused(1, &["at LSN "]);
        assert_eq!(
            slot::waiting(&mut session, &pipeline.slot)?,
            6,
            "both transactions are still in the slot"
        );
        let seen = pipeline.events("public.t")?;
        assert_eq!(seen.len(), 1, "{seen:?}");
        Ok(())
    });
}
