//! Connection settings from every source, beside libpq with the same ones.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ::pgsluice::config::Source;
use ::pgsluice::config::login::login_in;
use ::pgsluice::postgres::client::{LoginError, Mode};

use crate::context::Context;
use crate::psql;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::{PASSWORD, Postgres};

/// Who we are to the server. The name that each program gives itself is left out.
const WHO: &str = "SELECT concat_ws('|', current_user, current_database(), current_setting('port'), \
                   nullif(nullif(current_setting('application_name'), 'psql'), 'pgsluice'), \
                   nullif(current_setting('statement_timeout'), '0'), current_setting('lock_timeout'))";

/// What a case comes to.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// This answer, `§` for the port; libpq agrees.
    Answer(&'static str),
    /// No login; libpq agrees.
    Refused,
    /// No login here while libpq has this answer, for this reason.
    Stricter(&'static str, &'static str),
}

use Expected::{Answer, Refused, Stricter};

/// Connection string, environment, and what they come to. `§` stands for the server's port, `%` in a string for the
/// folder of its socket, `~` for the folder of the test's files.
type Case = (&'static str, &'static [(&'static str, &'static str)], Expected);

const SUPERUSER: &str = "postgres|postgres|§|0";

const CASES: &[Case] = &[
    // Pairs.
    ("host=127.0.0.1 port=§ user=postgres", &[], Answer(SUPERUSER)),
    ("host = 127.0.0.1\tport = § user='postgres' dbname = postgres", &[], Answer(SUPERUSER)),
    (
        r"host=127.0.0.1 port=§ user=post\gres application_name='a\'b c'",
        &[],
        Answer("postgres|postgres|§|a'b c|0"),
    ),
    ("host=127.0.0.1 port=§ user=x user=postgres", &[], Answer(SUPERUSER)),
    ("host=127.0.0.1 port=§ user=postgres dbname=''", &[], Answer(SUPERUSER)),
    ("host=127.0.0.1 port=§ user=postgres connect_timeout=0", &[], Answer(SUPERUSER)),
    (
        "host=127.0.0.1 port=§ user=postgres options='-c statement_timeout=7s -c lock_timeout=3s'",
        &[],
        Answer("postgres|postgres|§|7s|3s"),
    ),
    ("host=127.0.0.1 port=§ user=postgres gssencmode=disable sslcompression=0", &[], Answer(SUPERUSER)),
    ("host=127.0.0.1 port=§ user=postgres hots=x", &[], Refused),
    ("host=127.0.0.1 port=§ user='postgres", &[], Refused),
    ("host=127.0.0.1 port=§ user", &[], Refused),
    ("host=127.0.0.1 port=99999 user=postgres", &[], Refused),
    ("host=127.0.0.1 port=§x user=postgres", &[], Refused),
    ("host=127.0.0.1 port=§ user=postgres sslmode=Disable", &[], Refused),
    ("host=127.0.0.1 port=§ user=postgres channel_binding=x", &[], Refused),
    ("host=127.0.0.1 port=§ user=postgres target_session_attrs=x", &[], Refused),
    // URLs.
    ("postgresql://postgres@127.0.0.1:§/postgres", &[], Answer(SUPERUSER)),
    ("postgres://postgres@127.0.0.1:§", &[], Answer(SUPERUSER)),
    ("postgresql://p%6Fstgres@127.0.0.1:§/p%6fstgres", &[], Answer(SUPERUSER)),
    ("postgresql:///postgres?host=127.0.0.1&port=§&user=postgres", &[], Answer(SUPERUSER)),
    (
        "postgresql://postgres@127.0.0.1:§/?application_name=a%20b%26c",
        &[],
        Answer("postgres|postgres|§|a b&c|0"),
    ),
    ("postgresql://scram_user:open%20sesame@127.0.0.1:§/postgres", &[], Answer("scram_user|postgres|§|0")),
    ("postgresql://scram_user:wrong@127.0.0.1:§/postgres", &[], Refused),
    (
        "postgresql://postgres@127.0.0.1:§/?options=-c%20statement_timeout%3D7s",
        &[],
        Answer("postgres|postgres|§|7s|0"),
    ),
    ("postgresql://postgres@127.0.0.1:§/%zz", &[], Refused),
    ("postgresql://postgres@127.0.0.1:§/?hots=x", &[], Refused),
    ("postgresql://postgres@[127.0.0.1]:§/postgres", &[], Answer(SUPERUSER)),
    ("postgresql://postgres@127.0.0.1:§/?ssl=true", &[], Refused),
    // Sockets.
    ("host=% port=§ user=postgres", &[], Answer(SUPERUSER)),
    ("host=% port=§ user=postgres sslmode=verify-full", &[], Answer(SUPERUSER)),
    ("", &[("PGHOST", "%"), ("PGPORT", "§"), ("PGUSER", "postgres")], Answer(SUPERUSER)),
    // Several hosts.
    ("host=127.0.0.1,127.0.0.1 port=1,§ user=postgres", &[], Answer(SUPERUSER)),
    ("postgresql://postgres@127.0.0.1:1,127.0.0.1:§/postgres", &[], Answer(SUPERUSER)),
    ("host=127.0.0.1,127.0.0.1 port=§ user=postgres target_session_attrs=primary", &[], Answer(SUPERUSER)),
    ("host=127.0.0.1 port=§ user=postgres target_session_attrs=read-only", &[], Refused),
    ("host=127.0.0.1,127.0.0.1 port=1,2,§ user=postgres", &[], Refused),
    ("host=no.such.host hostaddr=127.0.0.1 port=§ user=postgres", &[], Answer(SUPERUSER)),
    ("hostaddr=127.0.0.1 port=§ user=postgres", &[], Answer(SUPERUSER)),
    // The login of the first one that answers counts.
    ("host=127.0.0.1,127.0.0.1 port=§,§ user=reject_user", &[], Refused),
    // The environment.
    ("port=§", &[("PGHOST", "127.0.0.1"), ("PGUSER", "postgres")], Answer(SUPERUSER)),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGPORT", "1"), ("PGUSER", "x")], Answer(SUPERUSER)),
    (
        "host=127.0.0.1 port=§",
        &[("PGUSER", "scram_user"), ("PGPASSWORD", PASSWORD), ("PGDATABASE", "postgres")],
        Answer("scram_user|postgres|§|0"),
    ),
    (
        "host=127.0.0.1 port=§ user=postgres",
        &[("PGAPPNAME", "e"), ("PGOPTIONS", "-c lock_timeout=3s")],
        Answer("postgres|postgres|§|e|3s"),
    ),
    ("port=§ user=postgres", &[("PGHOSTADDR", "127.0.0.1")], Answer(SUPERUSER)),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGSSLMODE", "on")], Refused),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGSSLMODE", "require")], Refused),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGREQUIRESSL", "1"), ("PGSSLMODE", "")], Refused),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGCHANNELBINDING", "require")], Refused),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGTARGETSESSIONATTRS", "read-only")], Refused),
    // Services.
    ("service=one", &[("PGSERVICEFILE", "~/services")], Answer("postgres|postgres|§|s|0")),
    (
        "service=one application_name=x",
        &[("PGSERVICEFILE", "~/services"), ("PGAPPNAME", "e")],
        Answer("postgres|postgres|§|x|0"),
    ),
    (
        "",
        &[("PGSERVICE", "one"), ("PGSERVICEFILE", "~/services"), ("PGUSER", "x")],
        Answer("postgres|postgres|§|s|0"),
    ),
    ("service=one", &[], Answer("postgres|postgres|§|of-home|0")),
    ("service=three", &[("PGSYSCONFDIR", "~")], Answer("postgres|postgres|§|of-system|0")),
    ("service=absent", &[("PGSERVICEFILE", "~/services")], Refused),
    ("service=bad", &[("PGSERVICEFILE", "~/services")], Refused),
    ("service=nested", &[("PGSERVICEFILE", "~/services")], Refused),
    // The password file.
    (
        "host=127.0.0.1 port=§ user=scram_user dbname=postgres",
        &[("PGPASSFILE", "~/passwords")],
        Answer("scram_user|postgres|§|0"),
    ),
    (
        "host=127.0.0.1 port=§ user=scram_user dbname=postgres passfile=~/passwords",
        &[],
        Answer("scram_user|postgres|§|0"),
    ),
    ("host=% port=§ user=scram_user dbname=postgres passfile=~/passwords", &[], Refused),
    ("host=127.0.0.1 port=§ user=scram_user dbname=postgres passfile=~/open", &[], Refused),
    ("host=127.0.0.1 port=§ user=scram_user dbname=postgres passfile=~/absent", &[], Refused),
    (
        "host=127.0.0.1 port=§ user=scram_user dbname=postgres passfile=~/passwords password=wrong",
        &[],
        Refused,
    ),
    (
        "host=127.0.0.1 port=§ user=scram_user dbname=postgres passfile=~/passwords password=''",
        &[],
        Answer("scram_user|postgres|§|0"),
    ),
    // Where we are stricter.
    (
        "host=127.0.0.1 port=§ user=pw_user dbname=postgres password='open sesame'",
        &[],
        Stricter("pw_user|postgres|§|0", "libpq sends a password in the clear"),
    ),
    (
        "host=127.0.0.1 port=§ user=md5_user dbname=postgres password='open sesame'",
        &[],
        Stricter("md5_user|postgres|§|0", "libpq sends its MD5 hash in the clear"),
    ),
    (
        "host=127.0.0.1 port=§ user=postgres keepalives=1",
        &[],
        Stricter(SUPERUSER, "keys without effect are refused"),
    ),
    (
        "host=127.0.0.1 port=§ user=postgres client_encoding=LATIN1",
        &[],
        Stricter(SUPERUSER, "text is read as UTF-8"),
    ),
    ("host=127.0.0.1 port=§ user=postgres", &[("PGSSLMODE", "")], Stricter(SUPERUSER, "TLS is the default")),
];

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([15, 18], "connection_settings_mean_what_libpq_has_them_mean", async |context| {
        let server = context.own_postgres(&[])?;
        let folder = files(context, &server)?;
        let filled = |text: &str| {
            text.replace('§', &server.port().to_string())
                .replace('~', &folder.display().to_string())
                .replace("=%", &format!("={}", server.socket_folder().display()))
        };
        let mut wrong = Vec::new();
        for (text, environment, expected) in CASES {
            let text = filled(text);
            let mut variables = vec![("PGSSLMODE", "disable".to_owned())];
            for (name, value) in *environment {
                variables.retain(|(known, _)| known != name);
                if value.is_empty() {
                    continue;
                }
                let socket = server.socket_folder().display().to_string();
                variables.push((name, if *value == "%" { socket } else { filled(value) }));
            }
            let (ours, theirs, why) = match expected {
                Answer(answer) => (Some(*answer), Some(*answer), "agrees"),
                Refused => (None, None, "agrees"),
                Stricter(answer, why) => (None, Some(*answer), *why),
            };
            let found = pgsluices(&text, &variables, &folder).await?;
            if found.as_ref().ok() != ours.map(filled).as_ref() {
                wrong.push(format!("{text} {variables:?}: {found:?}"));
            }
            if psql::major().is_some() {
                let variables: Vec<_> =
                    variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let found = psql::ask(&psqls(&text), &folder, &variables, WHO)?;
                if found.as_ref().ok() != theirs.map(filled).as_ref() {
                    wrong.push(format!("psql ({why}): {text} {variables:?}: {found:?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        fs::remove_dir_all(folder)?;
        Ok(())
    });
}

/// psql takes an empty argument for the name of a database.
fn psqls(text: &str) -> String {
    if text.is_empty() { "fallback_application_name=psql".to_owned() } else { text.to_owned() }
}

async fn pgsluices(
    text: &str,
    variables: &[(&str, String)],
    home: &Path,
) -> Result<std::result::Result<String, String>> {
    let get = |name: &str| match name {
        "HOME" => Some(home.display().to_string()),
        name => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
    };
    let source = Source { dsn: Some(text.to_owned()), ..Source::default() };
    let login = match login_in(&source, &get) {
        Ok(login) => login,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut connection = match login.connect(Mode::Sql).await {
        Ok(connection) => connection,
        Err(LoginError::Client(error)) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let results = connection.query(WHO).await?;
    let answer = results.first().and_then(|result| result.value(0, "concat_ws")).ok_or("no answer")?;
    Ok(Ok(answer.to_owned()))
}

/// Services and passwords.
fn files(context: &Context, server: &Postgres) -> Result<std::path::PathBuf> {
    let folder = psql::empty_home(context)?;
    let service = |name: &str, application: &str| {
        let port = server.port();
        format!("[{name}]\nhost=127.0.0.1\nport={port}\nuser=postgres\napplication_name={application}\n")
    };
    let more = "[bad]\nhots=x\n[nested]\nservice=one\n";
    let passwords = format!(
        "# ours\n127.0.0.1:*:*:other:no\n127.0.0.1:{}:postgres:scram_user:{PASSWORD}\n",
        server.port()
    );
    for (name, content, mode) in [
        ("services", format!("{}{more}", service("one", "s")), 0o644),
        (".pg_service.conf", service("one", "of-home"), 0o644),
        ("pg_service.conf", service("three", "of-system"), 0o644),
        ("passwords", passwords.clone(), 0o600),
        ("open", passwords, 0o644),
    ] {
        let path = folder.join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    Ok(folder)
}
