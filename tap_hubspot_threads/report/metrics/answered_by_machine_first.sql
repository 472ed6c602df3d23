-- Answered by a machine first
-- Of the threads in which the contact has written, the share (0 to 1) in which a bot (B-) or an
-- AI agent (L-) answered before a person (A-), or without one. What a bot says before the contact
-- writes is no answer, nor are welcome messages, comments, and messages of applications (I-). A
-- bot that writes as a user of the account is a person here. Threads that are archived, spam or
-- not in `threads` are left out.
WITH questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."inboxId"
),
firsts AS (
    SELECT
        questions.thread,
        questions.inbox_id,
        MIN(CASE WHEN answers."createdBy" LIKE 'A-%' THEN answers."createdAt" END) AS person,
        MIN(
            CASE
                WHEN LEFT(answers."createdBy", 2) IN ('B-', 'L-') THEN answers."createdAt"
            END
        ) AS machine
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.inbox_id
),
outcomes AS (
    SELECT
        inbox_id,
        CASE
            WHEN machine < person OR (machine IS NOT NULL AND person IS NULL) THEN 1
            ELSE 0
        END AS is_machine_first
    FROM firsts
)
SELECT
    COALESCE(inboxes.name, outcomes.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS threads,
    SUM(outcomes.is_machine_first) AS machine_first,
    CAST(AVG(outcomes.is_machine_first) AS DOUBLE PRECISION) AS share
FROM outcomes
LEFT JOIN inboxes ON inboxes.id = outcomes.inbox_id
GROUP BY outcomes.inbox_id, inboxes.name
ORDER BY inbox, outcomes.inbox_id;
