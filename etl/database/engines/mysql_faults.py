"""What the errors of MySQL and MariaDB mean."""

from etl.database.error_map import Fault
from etl.errors import ConfigurationError, StoppedError, TransientError, UnavailableError

FAULTS: dict[int, Fault] = {
    0: TransientError,  # the driver's own: the connection was closed
    1016: UnavailableError,  # the server cannot open a file
    1017: UnavailableError,  # a file of the server is gone, such as a temporary table
    1020: TransientError,  # record has changed since last read: a serialization failure
    1021: UnavailableError,  # disk full
    1030: UnavailableError,  # error from the storage engine
    1037: UnavailableError,  # out of memory
    1040: TransientError,  # too many connections
    1041: UnavailableError,  # out of memory
    1044: ConfigurationError,  # no right to the database
    1045: ConfigurationError,  # access denied
    1049: ConfigurationError,  # no such database
    1053: TransientError,  # shutdown in progress
    1054: ConfigurationError,  # no such column
    1114: UnavailableError,  # table full, also if the disk is
    1129: UnavailableError,  # host blocked for its many errors
    1130: ConfigurationError,  # host not allowed
    1142: ConfigurationError,  # no right to the table
    1143: ConfigurationError,  # no right to the column
    1146: ConfigurationError,  # no such table
    1152: TransientError,  # connection aborted
    1153: ConfigurationError,  # a packet larger than max_allowed_packet
    **dict.fromkeys(range(1158, 1162), TransientError),  # network errors
    1203: TransientError,  # too many connections of the user
    1205: StoppedError,  # lock wait timeout
    1206: UnavailableError,  # lock table full
    1213: TransientError,  # deadlock
    1226: UnavailableError,  # a limit of the user is reached
    1227: ConfigurationError,  # a privilege is missing
    1251: ConfigurationError,  # a way to authenticate that the driver does not know
    1290: UnavailableError,  # read-only server: a replica after a failover
    1317: UnavailableError,  # query interrupted
    1370: ConfigurationError,  # no right to the routine
    1665: ConfigurationError,  # binlog_format = STATEMENT
    1698: ConfigurationError,  # access denied: the user may only come by a socket
    1792: UnavailableError,  # read-only transaction
    1836: UnavailableError,  # read-only mode
    1862: ConfigurationError,  # password expired
    1927: TransientError,  # connection killed (MariaDB)
    1969: UnavailableError,  # statement timeout (MariaDB)
    2002: TransientError,  # no server at the socket
    2003: TransientError,  # no server at the address
    2005: UnavailableError,  # unknown host
    2006: TransientError,  # server has gone away
    2013: TransientError,  # connection lost
    2055: TransientError,  # connection lost
    2059: ConfigurationError,  # a way to authenticate that the driver does not know
    2061: ConfigurationError,  # the same
    3024: UnavailableError,  # statement timeout (MySQL)
    3118: ConfigurationError,  # account locked (MySQL)
    3159: ConfigurationError,  # the server wants TLS
    4031: TransientError,  # disconnected for inactivity (MySQL)
    4151: ConfigurationError,  # account locked (MariaDB)
}
"""The faults by error number (https://mariadb.com/kb/en/mariadb-error-code-reference/).

Above 1900, MySQL and MariaDB differ.
"""

DATA_NUMBERS = frozenset({1292, 1366, 1411})
"""The errors that quote a value and are no DataError to the driver: a value that cannot be converted."""

SIGNAL_NUMBER = 1644
"""The error of a SIGNAL in a trigger or a procedure, which chooses its words."""
