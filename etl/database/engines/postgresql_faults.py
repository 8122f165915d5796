"""What the error codes of PostgreSQL mean for a run."""

from etl.database.error_map import Fault
from etl.errors import ConfigurationError, StoppedError, TransientError, UnavailableError

FAULTS: dict[str, Fault] = {
    "08": TransientError,  # connection exception
    "0A000": ConfigurationError,  # not supported: the pending table is a view that cannot be locked
    "25006": UnavailableError,  # read-only transaction: a standby after a failover
    "25P03": TransientError,  # idle in a transaction for too long
    "25P04": TransientError,  # transaction timeout
    "28": ConfigurationError,  # invalid authorization
    "3D000": ConfigurationError,  # no such database
    "3F000": ConfigurationError,  # no such schema
    "40": TransientError,  # serialization failure, deadlock
    "42501": ConfigurationError,  # insufficient privilege
    "42703": ConfigurationError,  # no such column
    "42704": ConfigurationError,  # no such object, for example a collation or a role
    "42809": ConfigurationError,  # wrong type of object, for example a view
    "42P01": ConfigurationError,  # no such table
    "44": ConfigurationError,  # the CHECK OPTION of a view
    "53": UnavailableError,  # insufficient resources: disk full, out of memory
    "53300": TransientError,  # too many connections
    "55": ConfigurationError,  # object not in prerequisite state: a view that cannot be updated
    "55006": StoppedError,  # object in use
    "55P03": StoppedError,  # lock not available
    "57": UnavailableError,  # operator intervention: query canceled, database dropped
    "57P01": TransientError,  # shutdown, or a terminated backend
    "57P02": TransientError,  # the server crashed
    "57P03": TransientError,  # the server is starting up, or shutting down
    "57P05": TransientError,  # the session was idle for too long
    "58": UnavailableError,  # system error
    "F0": UnavailableError,  # a configuration file of the server is wrong
    "HV": UnavailableError,  # the server behind a foreign table
    "P0": ConfigurationError,  # a trigger or a function of the database refused
    "XX": UnavailableError,  # internal error, corrupted data
}
"""The faults by SQLSTATE, whole or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
