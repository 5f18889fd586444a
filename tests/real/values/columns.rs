//! The columns of a type: how each is declared, filled, and read back as JSON by SQL alone.

use super::types::{Form, Type};

/// What a column holds of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain,
    Array,
    Domain,
    ArrayOfDomain,
    DomainOverArray,
}

pub(crate) const SHAPES: [Shape; 5] =
    [Shape::Plain, Shape::Array, Shape::Domain, Shape::ArrayOfDomain, Shape::DomainOverArray];

impl Shape {
    /// The table with all columns of this shape.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Array => "arrays",
            Self::Domain => "domains",
            Self::ArrayOfDomain => "arrays_of_domains",
            Self::DomainOverArray => "domains_over_arrays",
        }
    }

    fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::ArrayOfDomain | Self::DomainOverArray)
    }
}

/// A column.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) of_type: &'static Type,
    shape: Shape,
    domain: String,
    values: Vec<String>,
}

impl Column {
    pub(crate) fn new(of_type: &'static Type, shape: Shape, number: usize) -> Self {
        let domain = format!("public.{}_{number}", shape.table());
        let mut column = Self { name: format!("c{number}"), of_type, shape, domain, values: Vec::new() };
        let base = column.base();
        let cast = |value: String| format!("CAST(CAST({value} AS {base}) AS {})", column.declared_type());
        column.values = column.uncast_values().into_iter().map(cast).collect();
        column
    }

    pub(crate) fn create_domain(&self) -> Option<String> {
        let over = match self.shape {
            Shape::Plain | Shape::Array => return None,
            Shape::Domain | Shape::ArrayOfDomain => self.of_type.name.to_owned(),
            Shape::DomainOverArray => format!("{}[]", self.of_type.name),
        };
        Some(format!("CREATE DOMAIN {} AS {over}", self.domain))
    }

    pub(crate) fn declaration(&self) -> String {
        format!("{} {}", self.name, self.declared_type())
    }

    /// Expressions of SQL.
    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }

    /// An expression of SQL for the JSON of the column; NULL for null.
    pub(crate) fn json(&self) -> String {
        json(&format!("({}::{})", self.name, self.base()), self.of_type.form, self.shape.is_array())
    }

    /// The type below all domains of this test.
    fn base(&self) -> String {
        if self.shape.is_array() { format!("{}[]", self.of_type.name) } else { self.of_type.name.to_owned() }
    }

    fn declared_type(&self) -> String {
        match self.shape {
            Shape::Plain | Shape::Array => self.base(),
            Shape::Domain | Shape::DomainOverArray => self.domain.clone(),
            Shape::ArrayOfDomain => format!("{}[]", self.domain),
        }
    }

    fn uncast_values(&self) -> Vec<String> {
        let name = self.of_type.name;
        if !self.shape.is_array() {
            return self.of_type.values.iter().map(|value| String::from(*value)).collect();
        }
        if ["int2vector", "oidvector"].contains(&name) {
            // ARRAY[…] takes them for arrays of numbers.
            return vec!["'{}'".to_owned(), "'{\"1 2 3\",NULL,\"\",7}'".to_owned()];
        }
        let values: Vec<String> =
            self.of_type.values.iter().map(|value| format!("CAST({value} AS {name})")).collect();
        let (first, last) = (&values[0], &values[values.len() - 1]);
        let mut arrays = vec![
            format!("ARRAY[{}, NULL]", values.join(", ")),
            "'{}'".to_owned(),
            format!("ARRAY[[{first}, {last}, {first}], [NULL, {first}, {last}]]"),
            format!("ARRAY[NULL::{name}]"),
        ];
        if name == "integer" {
            arrays.push("'[0:2]={1,2,3}'".to_owned());
        }
        arrays
    }
}

/// An expression of SQL for the JSON of a value; NULL for null. `column` is of a type below all domains.
pub(crate) fn json(column: &str, form: Form, is_array: bool) -> String {
    let x = json_of_x(form);
    if !is_array {
        return format!("(SELECT {x} FROM (SELECT {column} AS x) e)");
    }
    // `x` is one element, by its subscripts: to unnest an array of composites would take them apart.
    let one = format!(
        "(SELECT json_agg({x} ORDER BY i) FROM generate_subscripts({column}, 1) i,
           LATERAL (SELECT {column}[i] AS x) e)"
    );
    let two = format!(
        "(SELECT json_agg(inner_array ORDER BY i) FROM (
            SELECT i, (SELECT json_agg({x} ORDER BY j) FROM generate_subscripts({column}, 2) j,
              LATERAL (SELECT {column}[i][j] AS x) e) AS inner_array
            FROM generate_subscripts({column}, 1) i) outer_array)"
    );
    format!(
        "CASE WHEN {column} IS NULL THEN NULL ELSE
           CASE coalesce(array_ndims({column}), 0) WHEN 0 THEN '[]'::json WHEN 1 THEN {one} ELSE {two} END END"
    )
}

fn json_of_x(form: Form) -> String {
    let json = match form {
        Form::Json => "to_json(x)",
        // By the output function; a cast to text is another one for some types.
        Form::Text => "to_json(format('%s', x))",
        Form::Sql(expression) => expression,
    };
    // Unlike IS NULL, this does not hold of a row of NULLs.
    format!("CASE WHEN x IS NOT DISTINCT FROM NULL THEN NULL ELSE {json} END")
}
