"""A schema full of functions and operators that fit better than those of PostgreSQL wherever these are no exact match.

Only their owner may execute them, and PostgreSQL checks that before it reads a row. A statement that a user executes
with this schema on the search path therefore names the schema of each function, or calls one whose arguments have
exactly the types of the call.
"""

import re

from etl.resources import resource

CODE = resource("sql").parent / "etl"

TYPES = "text,varchar,int4,int8,numeric,timestamptz,int2,float8,bool,timestamp,date,interval,json"

OPERATORS = "=,<>,<,<=,>,>=,+,-,*,/,%,||,~,!~,~*,~~,!~~,~~*,^,&,|,#,<<,>>,->,->>"

CREATE = """
CREATE SCHEMA hostile;
DO $do$
DECLARE
    types text[] := '{{{types}}}';
    operators text[] := '{{{operators}}}';
    functions text[] := '{{{functions}}}';
    raises text := ' LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION ''a hostile function was called''; END $f$';
    a text; b text; c text; name text;
BEGIN
    FOREACH a IN ARRAY types LOOP
        FOREACH name IN ARRAY functions LOOP
            EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS ' || a || raises, name, a);
        END LOOP;
        FOREACH b IN ARRAY types LOOP
            EXECUTE format('CREATE FUNCTION hostile.operator(%s, %s) RETURNS bool' || raises, a, b);
            FOREACH name IN ARRAY operators LOOP
                EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.operator)',
                    name, a, b);
            END LOOP;
            CONTINUE WHEN b = ANY(types[8:]) AND a = ANY(types[8:]);
            FOREACH name IN ARRAY functions LOOP
                EXECUTE format('CREATE FUNCTION hostile.%I(%s, %s) RETURNS ' || a || raises, name, a, b);
            END LOOP;
        END LOOP;
    END LOOP;
    FOREACH a IN ARRAY types[1:4] LOOP FOREACH b IN ARRAY types[1:4] LOOP FOREACH c IN ARRAY types[1:4] LOOP
        FOREACH name IN ARRAY functions LOOP
            EXECUTE format('CREATE FUNCTION hostile.%I(%s, %s, %s) RETURNS text' || raises, name, a, b, c);
        END LOOP;
    END LOOP; END LOOP; END LOOP;
END $do$;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA hostile FROM PUBLIC;
"""


def called_names():
    """Return every name that stands before a parenthesis in the code or in SQL."""
    files = [*CODE.rglob("*.py"), *resource("sql").rglob("*.sql")]
    return {name.lower() for file in files for name in re.findall(r"(\w+)\s*\(", file.read_text(encoding="utf-8"))}


def create_hostile_schema(connection):
    """Create the schema, with functions of every name that the program calls and that PostgreSQL knows."""
    known = {name for (name,) in connection.execute("SELECT DISTINCT proname FROM pg_catalog.pg_proc")}
    functions = ",".join(sorted(known & called_names()))
    connection.execute(CREATE.format(types=TYPES, operators=OPERATORS, functions=functions))
