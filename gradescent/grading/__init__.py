"""The grading engine. Its modules, in the order in which a submission flows through them:

the class
    engine      a class from submitted/ to the gradebook and the pages
    job         what every submission of it is graded with, opened before the first of them
    grader      what the engine asks of a course, whatever its class
    own         a course of gradescent's own: hidden tests judge from outside the student's process
    plain       any nbgrader course as it is: its tests run in the student's process
    pool        supervisors as processes, each with one submission at a time
    submission  one student's way from what was handed in to the record
what was handed in
    intake      find a student's notebooks, and tell which part each is
    regular     open a file that may be anything
    archives    notebooks in zip archives
    notebooks   a notebook's text made a notebook of the current format
    weights     trained weights beside the notebook
    repair      the student's cells back in their places in the source notebook
where it runs
    imports     what a warm process imports for a notebook
    data        the data sets as students' code may see them
    scratch     temporary folders that do not stay
    devices     places on graphics processors
    sandbox     the strongest walls of this machine
    processes   warm, forked and new processes behind them
    inside      all that a student's process can see of the engine
how it runs
    run         a notebook's cells in a process, and again without the cell that ended it
    remote      the conversation with it, within its limits
    watch       what its processes use, read from outside
    outputs     what its cells show, made safe
    judge       each question by its hidden tests, or for a person
what stays
    keys        what a result depends on: the same key, and nothing is run again
    record      result.json, from which all the rest is written
    gradebook   nbgrader's gradebook, written from the record and compared with it
    feedback    the pages for students
beside the flow
    doctor      attacks the walls, and says what holds
    stock       what stock nbgrader needs to grade the same notebooks
"""
