//! Several hosts: the one that can be written to is found, and one that is not there is passed by.

use ::pgsluice::postgres::client::conninfo::Conninfo;
use ::pgsluice::postgres::client::{Login, Mode};
use ::pgsluice::postgres::error::ClientError;

use crate::suite::Suite;
use crate::support::ports;

pub(crate) fn register(suite: &mut Suite) {
    // 12 does not report what it is and is asked.
    suite.postgres([12, 15, 18], "finds_the_host_that_is_wanted", async |context| {
        let (writable, read_only) =
            (context.own_postgres(&[])?, context.own_postgres(&[("default_transaction_read_only", "on")])?);
        let hosts = format!(
            "127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}",
            ports::free()?,
            read_only.port(),
            writable.port()
        );
        for (attrs, expected) in [
            ("", Some(writable.port())),
            ("any", Some(read_only.port())),
            ("read-write", Some(writable.port())),
            ("read-only", Some(read_only.port())),
            ("primary", Some(read_only.port())),
            ("standby", None),
            ("prefer-standby", Some(read_only.port())),
        ] {
            let url = format!(
                "postgresql://postgres@{hosts}/postgres?sslmode=disable&target_session_attrs={attrs}"
            );
            let options = Conninfo::parse(&url)?.into_options()?;
            let login = Login { options, password: None, credentials: None };
            for mode in [Mode::Sql, Mode::Replication] {
                match login.connect(mode).await {
                    Ok(mut connection) => {
                        let port = connection.query("SHOW port").await?;
                        let port = port.first().and_then(|result| result.value(0, "port"));
                        assert_eq!(port, expected.map(|port| port.to_string()).as_deref(), "{attrs}");
                    }
                    Err(::pgsluice::postgres::client::LoginError::Client(ClientError::NotWanted {
                        ..
                    })) => {
                        assert_eq!(expected, None, "{attrs}");
                    }
                    Err(error) => return Err(format!("{attrs}: {error}").into()),
                }
            }
        }
        Ok(())
    });
}
