UPDATE `my "odd" ``table``` SET `an "x"` = 'new' WHERE `the 'key' ?` = 500;
