-- The strategy can be set per table; one that the key does not allow becomes one stream.
CREATE TABLE one_by_one (id INT PRIMARY KEY, v INT);
INSERT INTO one_by_one SELECT seq, seq FROM seq_1_to_1000;
CREATE TABLE at_once LIKE one_by_one; INSERT INTO at_once SELECT * FROM one_by_one;
CREATE TABLE stream LIKE one_by_one; INSERT INTO stream SELECT * FROM one_by_one;
CREATE TABLE whole LIKE one_by_one; INSERT INTO whole SELECT * FROM one_by_one;
CREATE TABLE no_key (v INT); INSERT INTO no_key SELECT seq FROM seq_1_to_1000;
ANALYZE TABLE one_by_one, at_once, stream, whole, no_key;
