SELECT (SELECT sum(v) FROM one_by_one), (SELECT sum(v) FROM at_once), (SELECT sum(v) FROM stream), (SELECT sum(v) FROM whole), (SELECT sum(v) FROM no_key);
